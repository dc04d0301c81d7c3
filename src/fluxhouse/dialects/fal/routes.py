"""fal's routes: its hosts stand here as paths, `queue.fal.run` as `/fal/queue` and so on."""

from __future__ import annotations

from starlette.routing import BaseRoute, Route

from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.fal.queueing import Queue
from fluxhouse.dialects.fal.running import Runs
from fluxhouse.dialects.fal.signatures import PublicKeys
from fluxhouse.dialects.fal.spelling import CDN, QUEUE, REST, ROOT, RUN
from fluxhouse.dialects.fal.uploads import Uploads

# Below this, whatever no route answers is answered in this dialect's words.
PREFIXES = (f"{ROOT}/",)
_REQUEST = f"{QUEUE}/{{endpoint:path}}/requests/{{request}}"


def routes(door: Door) -> list[BaseRoute]:
    """Every route of the dialect."""
    queue, uploads = Queue(door), Uploads(door)
    return [
        Route(_REQUEST, queue.result, methods=["GET"]),
        Route(f"{_REQUEST}/status", queue.status, methods=["GET"]),
        Route(f"{_REQUEST}/status/stream", queue.follow, methods=["GET"]),
        Route(f"{_REQUEST}/cancel", queue.cancel, methods=["PUT"]),
        Route(f"{QUEUE}/{{endpoint:path}}", queue.submit, methods=["POST"]),
        Route(f"{RUN}/{{endpoint:path}}", Runs(door).run, methods=["POST"]),
        Route(f"{REST}/storage/upload/initiate", uploads.initiate, methods=["POST"]),
        Route(f"{REST}/storage/upload/initiate-multipart", uploads.in_parts, methods=["POST"]),
        Route(f"{REST}/storage/auth/token", uploads.token, methods=["POST"]),
        Route(f"{CDN}/uploads/{{account}}/{{file}}", uploads.put, methods=["PUT"]),
        Route(f"{CDN}/files/upload", uploads.add, methods=["POST"]),
        Route(f"{CDN}/files/upload/multipart", uploads.in_parts, methods=["POST"]),
        Route(f"{ROOT}/files/{{file}}", uploads.get, methods=["GET"]),
        Route(f"{REST}/.well-known/jwks.json", PublicKeys(door).get, methods=["GET"]),
    ]
