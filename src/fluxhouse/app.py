"""The ASGI application: mounts the dialects and the console, observes every request, answers what nobody else does."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import perf_counter
from typing import Any
from uuid import uuid4

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from fluxhouse.console.cashier import Cashier
from fluxhouse.console.console import Console, is_page
from fluxhouse.console.desk import Desk
from fluxhouse.console.visitors import SignInNeeded
from fluxhouse.dialects import bfl, fal, listing, mcp, native, openai, outputs, pixazo, replicate
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.wire import WrongMethod
from fluxhouse.generation.errors import NotFound, PlatformError, RequestRejected
from fluxhouse.probes import NotReady, Probes
from fluxhouse.tracing.spans import caller

log = structlog.get_logger()

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_JOB = re.compile(r"(?:job_)?([0-9a-f]{32})")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_HEADER_NAMES = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~ ,-]{1,1000}")
_EXPOSED = (
    "X-Request-Id, X-Job-Id, Location, Content-Location, Retry-After, Idempotent-Replayed, Preference-Applied, "
    "RateLimit, RateLimit-Policy, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, ETag, Content-Range, "
    "X-Fal-Request-Id"
)
# How errors are worded below a path, the longest that fits; elsewhere as the native API words them.
_ACCENTS: Mapping[str, Callable[[PlatformError], Response]] = {
    **dict.fromkeys(pixazo.PREFIXES, pixazo.failure),
    **dict.fromkeys(openai.PREFIXES, openai.failure),
    **dict.fromkeys(replicate.PREFIXES, replicate.failure),
    **dict.fromkeys(bfl.PREFIXES, bfl.failure),
    **dict.fromkeys(fal.PREFIXES, fal.failure),
    **dict.fromkeys(mcp.PREFIXES, mcp.failure),
    listing.PATH: listing.together([openai.failure, replicate.failure]),
}
_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


def create_app(
    door: Door, not_ready: NotReady, measured: Sequence[CollectorRegistry] = (), cashier: Cashier | None = None
) -> ASGIApp:
    """The application over one door; `measured` is what `/metrics` shows beside the requests counted here.

    Credits can be bought where there is a `cashier`.
    """
    registry = CollectorRegistry()
    probes = Probes(door.database, lambda: door.clock.now(), not_ready, (registry, *measured))
    api = Starlette(routes=[*native.routes(door), *outputs.routes(door)], exception_handlers={PlatformError: _refused})
    console = Console(_desk(door, api, cashier))

    async def failed(request: Request, error: Exception) -> Response:
        if is_page(request.url.path):
            return await console.failure(request, error)
        return _refused(request, error) if isinstance(error, PlatformError) else _not_routed(request, error)

    app = Starlette(
        routes=[
            *native.routes(door),
            *pixazo.routes(door),
            *openai.routes(door),
            *replicate.routes(door),
            *bfl.routes(door),
            *fal.routes(door),
            *mcp.routes(door),
            *listing.routes(door, [partial(openai.listed, door), replicate.listed(door)]),
            *outputs.routes(door),
            *console.routes(),
            *probes.routes(),
        ],
        middleware=[Middleware(Observed, meter=Meter(registry))],
        exception_handlers={PlatformError: failed, HTTPException: failed, SignInNeeded: failed},
    )
    app.router.redirect_slashes = False  # A redirect would repeat the Host header that the caller sent.
    return app


def _desk(door: Door, api: ASGIApp, cashier: Cashier | None) -> Desk:
    options = door.options
    return Desk(
        database=door.database,
        catalog=door.catalog,
        storage=door.storage,
        signer=door.signer,
        feed=door.feed,
        clock=door.clock,
        api=api,
        pepper=options.pepper,
        public_url=options.public_url,
        output_ttl=options.output_ttl,
        serving=options.serving,
        usd_per_credit=options.usd_per_credit,
        sign_up=options.sign_up,
        sdk_names={
            "openai": {model.id: model.id for model in door.catalog.models},
            "replicate": replicate.names(door.catalog),
            "fal": fal.names(),
        },
        cashier=cashier,
    )


class Meter:
    """Counts requests by route template, never by address, so that its series stay few."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("method", "route", "status")
        self._requests = Counter("fluxhouse_http_requests", "Answered requests.", labels, registry=registry)
        self._seconds = Histogram(
            "fluxhouse_http_request_seconds", "Seconds to the end of the answer.", ("route",), buckets=_BUCKETS,
            registry=registry,
        )  # fmt: skip

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self._requests.labels(method if method in _METHODS else "OTHER", route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)


class Observed:
    """Pure ASGI around everything: request ids, CORS, access log, metrics, and the answer to what went wrong in us.

    No key, prompt, query string or image byte is logged: of an address only its route's template and its job.
    """

    def __init__(self, app: ASGIApp, meter: Meter) -> None:
        self._app = app
        self._meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid4().hex
        shared = "origin" in headers and scope["path"] != "/metrics" and not is_page(scope["path"])
        answer = Answer(send, request_id, shared)
        started = perf_counter()
        with bound_contextvars(request_id=request_id), caller(headers.get("traceparent")):
            try:
                if b"%00" in scope["query_string"] or "\0" in scope["path"]:
                    # PostgreSQL keeps none.
                    refused = RequestRejected("no address holds a NUL character")
                    await _failure(scope["path"], refused)(scope, receive, answer.send)
                elif shared and scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
                    await _preflight(headers)(scope, receive, answer.send)
                else:
                    await self._app(scope, receive, answer.send)
            except Exception as error:
                _log_crash(error)
                if answer.status:
                    raise  # half an answer is out: only breaking the connection says that it is not whole
                await _failure(scope["path"], PlatformError())(scope, receive, answer.send)
            finally:
                self._note(scope, answer, perf_counter() - started)

    def _note(self, scope: Scope, answer: Answer, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        job = _JOB.fullmatch(answer.job or scope.get("path_params", {}).get("job") or "")
        self._meter.count(scope["method"], route, answer.status, seconds)
        fields: dict[str, Any] = {"job_id": job[1]} if job else {}
        log.info(
            "http_request",
            method=scope["method"] if scope["method"] in _METHODS else "OTHER",
            route=route,
            status=answer.status,
            milliseconds=round(seconds * 1000, 2),
            **fields,
        )


class Answer:
    """One answer on its way out: adds the headers that every answer carries, remembers its status and job."""

    def __init__(self, send: Send, request_id: str, shared: bool) -> None:
        self.status = 0
        self.job: str | None = None
        self._send = send
        self._request_id = request_id
        self._shared = shared

    async def send(self, message: Message) -> None:
        """Pass an ASGI message on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self._request_id
            self.job = headers.get("x-job-id")
            if self._shared:
                headers["Access-Control-Allow-Origin"] = "*"
                headers["Access-Control-Expose-Headers"] = _EXPOSED
        await self._send(message)


def _failure(path: str, error: PlatformError) -> Response:
    """An error in the accent that is spoken at `path`; of a fault of ours the caller is told nothing more."""
    fitting = [prefix for prefix in _ACCENTS if path.startswith(prefix)]
    return _ACCENTS[max(fitting, key=len)](error) if fitting else native.failure(error)


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, PlatformError)
    return _failure(request.url.path, error)


def _not_routed(request: Request, error: Exception) -> Response:
    """Unknown addresses and methods."""
    assert isinstance(error, HTTPException)
    kind = {404: NotFound, 405: WrongMethod}.get(error.status_code, RequestRejected)
    response = _failure(request.url.path, kind(f"{error.detail}."))
    response.headers.update(error.headers or {})
    return response


def _log_crash(error: Exception) -> None:
    # Rendered here: a log renderer that shows local variables would print keys and prompts.
    log.error("http_request_crashed", traceback="".join(traceback.format_exception(error)))


def _preflight(headers: Headers) -> Response:
    asked = headers.get("access-control-request-headers", "")
    allowed = {
        "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, DELETE, OPTIONS",
        "Access-Control-Allow-Headers": asked if _HEADER_NAMES.fullmatch(asked) else "Authorization, Content-Type",
        "Access-Control-Max-Age": "7200",
    }
    return Response(status_code=204, headers=allowed)
