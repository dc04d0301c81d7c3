"""The caller's own account, and the secret that its webhooks are signed with."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fluxhouse.core import webhook_secrets
from fluxhouse.core.keys import Scope
from fluxhouse.core.signing import spelled_secret
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.replicate.creating import token_in


class Account:
    """`GET /v1/account`, `GET /v1/webhooks/default/secret`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def get(self, request: Request) -> Response:
        """Whose key this is."""
        account = (await self._door.authenticate(token_in(request), Scope.READ)).account
        return JSONResponse({"type": "user", "username": account.name, "name": account.name, "github_url": None})

    async def secret(self, request: Request) -> Response:
        """The newest secret, spelled as the vendor's verifiers read it; not for a key that only reads."""
        pepper, now = self._door.options.pepper, self._door.clock.now()
        newest, *_ = await self._door.ask(
            token_in(request),
            Scope.RUN,
            lambda connection, caller: webhook_secrets.valid(connection, caller.account.id, pepper, now),
        )
        return JSONResponse({"key": spelled_secret(newest.secret)}, headers={"Cache-Control": "no-store"})
