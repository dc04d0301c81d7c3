"""Replicate's routes, each with its own words for what goes wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.replicate import files, polling
from fluxhouse.dialects.replicate.account import Account
from fluxhouse.dialects.replicate.creating import Creating
from fluxhouse.dialects.replicate.files import Files
from fluxhouse.dialects.replicate.hosted import ALIAS, HostedModels
from fluxhouse.dialects.replicate.models import Models
from fluxhouse.dialects.replicate.polling import Polling
from fluxhouse.dialects.replicate.problems import failure
from fluxhouse.dialects.replicate.streaming import Streaming
from fluxhouse.dialects.wire import refuse_query
from fluxhouse.generation.errors import PlatformError

Endpoint = Callable[[Request], Awaitable[Response]]

_STREAM_PARAMETERS = ("expires", "signature")
# Below these, whatever no route answers is answered in this dialect's words.
PREFIXES = (
    *("/v1/predictions", "/v1/files", "/v1/account", "/v1/webhooks/", "/v1/deployments/", "/v1/trainings"),
    *("/v1/collections", "/v1/hardware", "/v1/search", "/v1/models/black-forest-labs/", f"/v1/models/{ALIAS}/"),
    *("/predictions", "/models/"),
)


def routes(door: Door) -> list[BaseRoute]:
    """Every route but the list of models. Clients of the newer kind leave `/v1` out where others write it."""
    hosted = HostedModels(door.catalog)
    shown, kept, account = Models(door, hosted), Files(door), Account(door)
    return [
        *_predictions(door, hosted, "/v1"),
        *_predictions(door, hosted, ""),
        *_of_model(shown, "/v1"),
        *_of_model(shown, ""),
        Route("/v1/models", _worded(shown.search), methods=["QUERY"]),
        _route("/v1/files", {"GET": kept.list, "POST": kept.add}, "cursor"),
        _route("/v1/files/{file}", {"GET": kept.get, "DELETE": kept.remove}),
        _route("/v1/files/{file}/download", {"GET": kept.download}, *files.DOWNLOAD_PARAMETERS),
        _route("/v1/files/{prediction}/stream", {"GET": Streaming(door).stream}, *_STREAM_PARAMETERS),
        _route("/v1/account", {"GET": account.get}),
        _route("/v1/webhooks/default/secret", {"GET": account.secret}),
    ]


def listed(door: Door) -> Callable[[Request], Mapping[str, Any]]:
    """This dialect's part of `GET /v1/models`."""
    return Models(door, HostedModels(door.catalog)).part


def _predictions(door: Door, hosted: HostedModels, root: str) -> list[BaseRoute]:
    creating, polled = Creating(door, hosted), Polling(door)
    return [
        _route(f"{root}/predictions", {"GET": polled.list, "POST": creating.of_version}, *polling.LIST_PARAMETERS),
        _route(f"{root}/predictions/{{prediction}}", {"GET": polled.get}),
        _route(f"{root}/predictions/{{prediction}}/cancel", {"POST": polled.cancel}),
        _route(f"{root}/models/{{owner}}/{{name}}/predictions", {"POST": creating.of_model}),
    ]


def _of_model(listed: Models, root: str) -> list[BaseRoute]:
    own = f"{root}/models/{{owner}}/{{name}}"
    return [
        _route(own, {"GET": listed.get}),
        _route(f"{own}/versions", {"GET": listed.versions}),
        _route(f"{own}/versions/{{version}}", {"GET": listed.version}),
        _route(f"{own}/readme", {"GET": listed.readme}),
        _route(f"{own}/examples", {"GET": listed.examples}),
    ]


def _route(path: str, endpoints: Mapping[str, Endpoint], *parameters: str) -> Route:
    """One path with its methods; it takes these query parameters and refuses all others."""

    async def endpoint(request: Request) -> Response:
        refuse_query(request, parameters)
        return await endpoints["GET" if request.method == "HEAD" else request.method](request)

    return Route(path, _worded(endpoint), methods=list(endpoints))


def _worded(endpoint: Endpoint) -> Endpoint:
    """The endpoint, its refusals in this dialect's words: some addresses stand among those of another."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except PlatformError as error:
            return failure(error)

    return answer
