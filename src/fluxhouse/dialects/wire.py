"""What every accent reads and writes alike over HTTP: capped bodies, idempotency keys, rate headers."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from datetime import datetime
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from fluxhouse.core.cursors import place_of
from fluxhouse.core.idempotency import MAX_LENGTH, IdempotencyKey
from fluxhouse.core.limits import WINDOW, Window
from fluxhouse.generation.errors import InvalidParameter, RateLimited, RequestRejected

T = TypeVar("T")

MAX_BODY_BYTES = 32 * 1024 * 1024  # JSON with data URIs
MAX_PARTS = 50_000  # commas and opening brackets of a body, those within its texts included
PIECE_SECONDS = 20.0  # the longest silence within a body
BODY_SECONDS = 120.0  # a whole body

_LARGE_BYTES = 1024 * 1024  # from here on a body is hashed and parsed beside the event loop

_VISIBLE_ASCII = re.compile(rf"[!-~]{{1,{MAX_LENGTH}}}")
_WINDOW_SECONDS = int(WINDOW.total_seconds())


class BodyTooLarge(RequestRejected):
    """The body is larger than allowed."""

    code = "body_too_large"


class BodyTooSlow(RequestRejected):
    """The body did not come in time."""

    code = "request_timeout"


class WrongMediaType(RequestRejected):
    """The body is of a type that is not accepted here."""

    code = "unsupported_media_type"


class WrongMethod(RequestRejected):
    """This address does not take that method."""

    code = "method_not_allowed"


class ClientGone(RequestRejected):
    """The client closed the connection before its request was complete."""

    code = "client_closed_request"


async def read_body(request: Request, max_bytes: int = MAX_BODY_BYTES) -> bytes:
    """The request's body, refused as `BodyTooLarge` before more than `max_bytes` of it are held."""
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and int(announced[:19]) > max_bytes:
        raise too_large(max_bytes)
    chunks: list[bytes] = []
    size = 0
    async for chunk in chunks_of(request):
        size += len(chunk)
        if size > max_bytes:
            raise too_large(max_bytes)
        chunks.append(chunk)
    return b"".join(chunks)


async def chunks_of(request: Request, seconds: float = BODY_SECONDS) -> AsyncIterator[bytes]:
    """The body as it arrives; raises `ClientGone` where the rest never will, `BodyTooSlow` where it takes its time."""
    chunks = request.stream()
    loop = asyncio.get_running_loop()
    latest = loop.time() + seconds
    while True:
        try:
            async with asyncio.timeout_at(min(latest, loop.time() + PIECE_SECONDS)):
                chunk = await anext(chunks, None)
        except ClientDisconnect:
            raise ClientGone from None
        except TimeoutError:
            raise BodyTooSlow from None
        if chunk is None:
            return
        yield chunk


async def json_object(content: bytes, content_type: str | None) -> Mapping[str, Any]:
    """The JSON object in a body; raises `WrongMediaType`, or `RequestRejected` for anything but one object."""
    return await beside(len(content), lambda: _json_object(content, content_type))


async def beside(size: int, work: Callable[[], T]) -> T:
    """What `work` on that many bytes returns; where they are many, done on a thread."""
    return work() if size < _LARGE_BYTES else await asyncio.to_thread(work)


def _json_object(content: bytes, content_type: str | None) -> Mapping[str, Any]:
    kind = (content_type or "application/json").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise WrongMediaType(f"send `Content-Type: application/json`, not `{kind[:100]}`")
    # Told before it is parsed: millions of tiny values would take seconds, and a hundred times their bytes.
    if sum(map(content.count, (b",", b"[", b"{"))) > MAX_PARTS:
        raise RequestRejected(f"the body may have at most {MAX_PARTS:,} commas and opening brackets")
    try:
        body = json.loads(content, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise RequestRejected("the body is not valid JSON") from None
    if not isinstance(body, dict):
        raise RequestRejected("the body must be one JSON object")
    return body


async def idempotency_key(request: Request, content: bytes, asked_beside: str | None = None) -> IdempotencyKey | None:
    """What the caller sent to make a repeat harmless, bound to path, body and what was asked beside the body.

    None where it sent nothing; raises `InvalidParameter`.
    """
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not _VISIBLE_ASCII.fullmatch(key):
        message = f"`Idempotency-Key` must be 1 to {MAX_LENGTH} visible ASCII characters"
        raise InvalidParameter(message, field="Idempotency-Key")
    digest = await beside(len(content), lambda: hashlib.sha256(content))
    if asked_beside is not None:
        digest.update(f"\n{asked_beside}".encode())
    return IdempotencyKey(key, request.url.path, digest.hexdigest())


def key_in(request: Request, *schemes: str) -> str | None:
    """The key text of `Authorization: <scheme> <key>` in one of these schemes, in lower case; None without one."""
    scheme, _, key = request.headers.get("authorization", "").strip().partition(" ")
    return key.strip() if scheme.lower() in schemes else None


def refuse_query(request: Request, allowed: Collection[str] = ()) -> None:
    """Raise `InvalidParameter` for the first query parameter that is not `allowed`, or that is given twice."""
    for name, value in request.query_params.multi_items():
        shown = name[:100]
        if name not in allowed:
            takes = f"it takes: {', '.join(allowed)}" if allowed else "it takes none"
            raise InvalidParameter(f"`{shown}` is not a query parameter of this address; {takes}.", field=shown)
        if request.query_params[name] != value:
            raise InvalidParameter(f"`{shown}` is given twice.", field=shown)


def cursor_in(request: Request) -> tuple[datetime, str] | None:
    """What `cursors.cursor_of` wrote; raises `InvalidParameter`."""
    text = request.query_params.get("cursor")
    if text is None:
        return None
    try:
        return place_of(text)
    except ValueError:
        raise InvalidParameter("`cursor` must be one that an earlier page gave", field="cursor") from None


def rate_headers(window: Window, now: datetime) -> dict[str, str]:
    """How the caller's rate stands, in the IETF's words and in the older ones."""
    return {
        "RateLimit-Policy": f'"submits";q={window.limit};w={_WINDOW_SECONDS}',
        "RateLimit": f'"submits";r={window.remaining};t={window.seconds_left(now)}',
        "X-RateLimit-Limit": str(window.limit),
        "X-RateLimit-Remaining": str(window.remaining),
        "X-RateLimit-Reset": str(int(window.resets_at.timestamp())),
    }


def retry_header(error: Exception) -> dict[str, str]:
    """`Retry-After`, where the error knows how long to wait."""
    return {"Retry-After": str(error.retry_after_seconds)} if isinstance(error, RateLimited) else {}


def instant(moment: datetime) -> str:
    """ISO 8601 in UTC with second precision, such as 2025-01-23T12:00:00Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def too_large(max_bytes: int) -> BodyTooLarge:
    """The refusal of a body of more than `max_bytes`."""
    return BodyTooLarge(f"the body may have at most {max_bytes:,} bytes")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
