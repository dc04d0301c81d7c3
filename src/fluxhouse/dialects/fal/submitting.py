"""Taking requests in: the endpoint that a path names, the key, and what is said to whoever sent it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from fluxhouse.core.submit import Refused, Submitted
from fluxhouse.dialects.answering import as_uuid, submit_headers
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.fal.asking import Asking
from fluxhouse.dialects.fal.fields import ENDPOINTS, Endpoint
from fluxhouse.dialects.fal.spelling import DIALECT, REQUEST_ID
from fluxhouse.dialects.fal.wishes import Wishes, spoken
from fluxhouse.dialects.submitting import Accent, Wanted, take_in
from fluxhouse.dialects.wire import key_in
from fluxhouse.generation.errors import InvalidKey, UnknownModel


def key_of(request: Request) -> str:
    """The key of `Authorization: Key <key>`, or of `Key <id>:<key>`, whose id says nothing here; `InvalidKey`."""
    key = key_in(request, "key")
    if not key:
        raise InvalidKey("Authentication is required: send `Authorization: Key <key>`.")
    return key.rpartition(":")[2]


def endpoint_of(name: str) -> Endpoint:
    """The endpoint of that id; raises `UnknownModel`."""
    found = ENDPOINTS.get(name)
    if found is None:
        shown = name[:100]
        raise UnknownModel(f"Application `{shown}` not found; there are: {', '.join(ENDPOINTS)}.")
    return found


async def taken_in(door: Door, request: Request, endpoint: Endpoint) -> Submitted | Refused:
    """The answer to a request of that endpoint."""
    asking = Asking(door, endpoint)

    def read(body: Mapping[str, Any]) -> Wanted:
        return asking.wanted(body, Wishes.of(request))

    return await take_in(door, request, key_of(request), Accent(DIALECT, endpoint.model, read, beside=spoken(request)))


def said_with(door: Door, answer: Submitted | Refused) -> dict[str, str]:
    """The headers of the answer: how the caller's rate stands, and which request it was."""
    named = {REQUEST_ID: as_uuid(answer.job.id)} if isinstance(answer, Submitted) else {}
    return submit_headers(door, answer, "job_{}".format) | named
