"""Forms of a size: what a page is sent is refused before more of it is held than any form of ours has."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fluxhouse.generation.errors import RequestRejected

MOST_BYTES = 64 * 1024


class FormTooLarge(RequestRejected):
    """No form of this console is that large."""

    code = "body_too_large"


class Sized:
    """Pure ASGI around a page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        left = MOST_BYTES

        async def counted() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise FormTooLarge
            return message

        await self._app(scope, counted, send)
