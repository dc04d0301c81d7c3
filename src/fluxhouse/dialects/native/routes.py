"""Every route of the native API, which is PixelDojo's contract and what it lacks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.native.account import Account
from fluxhouse.dialects.native.events import Events
from fluxhouse.dialects.native.loras import Loras
from fluxhouse.dialects.native.models import Models
from fluxhouse.dialects.native.polling import Polling
from fluxhouse.dialects.native.submitting import Submitting
from fluxhouse.dialects.native.uploads import Uploads
from fluxhouse.dialects.native.webhooks import Webhooks
from fluxhouse.dialects.wire import refuse_query

Endpoint = Callable[[Request], Awaitable[Response]]


def routes(door: Door) -> list[BaseRoute]:
    """The routes; errors they raise are rendered by the application with `bodies.failure`."""
    submitting, polling, models, uploads, loras, account, webhooks = (
        Submitting(door),
        Polling(door),
        Models(door),
        Uploads(door),
        Loras(door),
        Account(door),
        Webhooks(door),
    )
    return [
        _route("POST", "/api/v1/models/{model}/run", submitting.run),
        _route("POST", "/api/v1/models/{model}/quote", submitting.quote),
        _route("GET DELETE", "/api/v1/jobs/{job}", _by_method(GET=polling.get, DELETE=polling.cancel)),
        _route("DELETE", "/api/v1/jobs/{job}/output", polling.remove_output),
        _route("GET", "/api/v1/jobs/{job}/events", Events(door).stream),
        _route("GET", "/api/v1/jobs/{job}/webhook", webhooks.delivery),
        _route("POST", "/api/v1/jobs/{job}/webhook/replay", webhooks.replay),
        _route("GET", "/api/v1/webhooks/secret", webhooks.secret),
        _route("POST", "/api/v1/webhooks/secret/rotate", webhooks.rotate),
        _route("GET", "/api/v1/jobs", polling.list, "limit", "cursor", "status", "model"),
        _route("GET", "/api/v1/models", models.list, "modality", "detailed"),
        _route("GET", "/api/v1/models/{model}", models.get),
        _route("GET", "/api/v1/models/{model}/schema", models.schema),
        _route("GET", "/api/openapi", models.openapi),
        _route("POST", "/api/v1/files", uploads.add),
        _route("GET DELETE", "/api/v1/files/{file}", _by_method(GET=uploads.get, DELETE=uploads.remove)),
        _route("POST GET", "/api/v1/loras", _by_method(POST=loras.add, GET=loras.list), "name"),
        _route("GET DELETE", "/api/v1/loras/{lora}", _by_method(GET=loras.get, DELETE=loras.remove)),
        _route("GET", "/api/v1/credits", account.credits),
        _route("GET", "/api/v1/usage", account.usage, "days", "from", "to"),
    ]


def _route(methods: str, path: str, endpoint: Endpoint, *parameters: str) -> Route:
    """A route that takes these query parameters and refuses all others."""

    async def asked(request: Request) -> Response:
        refuse_query(request, parameters)
        return await endpoint(request)

    return Route(path, asked, methods=methods.split())


def _by_method(**endpoints: Endpoint) -> Endpoint:
    """One route for all, so that what is refused names all methods in `Allow`."""

    async def endpoint(request: Request) -> Response:
        return await endpoints["GET" if request.method == "HEAD" else request.method](request)

    return endpoint
