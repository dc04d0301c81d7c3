"""`GET /v1/models`, which the clients of two dialects ask for: one body, made of a part from each."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from fluxhouse.core.keys import Scope
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.wire import key_in
from fluxhouse.generation.errors import PlatformError

PATH = "/v1/models"

# What one dialect says of the models: some fields of the body, by what the request asks.
Part = Callable[[Request], Mapping[str, Any]]
Failure = Callable[[PlatformError], Response]


def routes(door: Door, parts: Sequence[Part]) -> list[BaseRoute]:
    """The one route; every part is asked, and no two may name the same field."""

    async def listed(request: Request) -> Response:
        await door.authenticate(key_in(request, "bearer", "token"), Scope.READ)
        return JSONResponse({name: value for part in parts for name, value in part(request).items()})

    return [Route(PATH, listed, methods=["GET"])]


def together(failures: Sequence[Failure]) -> Failure:
    """An error in several accents at once, with the status of the first."""

    def failure(error: PlatformError) -> Response:
        answers = [accent(error) for accent in failures]
        body: dict[str, Any] = {}
        for answer in answers:
            body |= json.loads(bytes(answer.body))
        return JSONResponse(body, answers[0].status_code)

    return failure
