"""Every route of the native API, which is PixelDojo's contract and what it lacks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.native.account import Account
from fluxhouse.dialects.native.events import Events
from fluxhouse.dialects.native.models import Models
from fluxhouse.dialects.native.polling import Polling
from fluxhouse.dialects.native.submitting import Submitting
from fluxhouse.dialects.native.uploads import Uploads
from fluxhouse.dialects.native.webhooks import Webhooks

Endpoint = Callable[[Request], Awaitable[Response]]


def routes(door: Door) -> list[BaseRoute]:
    """The routes; errors they raise are rendered by the application with `bodies.failure`."""
    submitting, polling, models, uploads, account, webhooks = (
        Submitting(door),
        Polling(door),
        Models(door),
        Uploads(door),
        Account(door),
        Webhooks(door),
    )
    return [
        Route("/api/v1/models/{model}/run", submitting.run, methods=["POST"]),
        Route("/api/v1/models/{model}/quote", submitting.quote, methods=["POST"]),
        Route("/api/v1/jobs/{job}", _got_or_deleted(polling.get, polling.cancel), methods=["GET", "DELETE"]),
        Route("/api/v1/jobs/{job}/output", polling.remove_output, methods=["DELETE"]),
        Route("/api/v1/jobs/{job}/events", Events(door).stream, methods=["GET"]),
        Route("/api/v1/jobs/{job}/webhook", webhooks.delivery, methods=["GET"]),
        Route("/api/v1/jobs/{job}/webhook/replay", webhooks.replay, methods=["POST"]),
        Route("/api/v1/webhooks/secret", webhooks.secret, methods=["GET"]),
        Route("/api/v1/webhooks/secret/rotate", webhooks.rotate, methods=["POST"]),
        Route("/api/v1/jobs", polling.list, methods=["GET"]),
        Route("/api/v1/models", models.list, methods=["GET"]),
        Route("/api/v1/models/{model}", models.get, methods=["GET"]),
        Route("/api/v1/models/{model}/schema", models.schema, methods=["GET"]),
        Route("/api/openapi", models.openapi, methods=["GET"]),
        Route("/api/v1/files", uploads.add, methods=["POST"]),
        Route("/api/v1/files/{file}", _got_or_deleted(uploads.get, uploads.remove), methods=["GET", "DELETE"]),
        Route("/api/v1/credits", account.credits, methods=["GET"]),
        Route("/api/v1/usage", account.usage, methods=["GET"]),
    ]


def _got_or_deleted(get: Endpoint, delete: Endpoint) -> Endpoint:
    """One route for both, so that what is refused names all methods in `Allow`."""

    async def endpoint(request: Request) -> Response:
        return await (delete if request.method == "DELETE" else get)(request)

    return endpoint
