"""Creating predictions: of a model by its name or version, waited for where asked, with a deadline where asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fluxhouse.catalog.parameter import Parameter
from fluxhouse.core.jobs import Job, Terms
from fluxhouse.core.submit import Refused
from fluxhouse.core.webhooks import COMPLETED, EVENTS, OUTPUT
from fluxhouse.dialects.answering import submit_headers
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.replicate.addresses import Addresses
from fluxhouse.dialects.replicate.hosted import Hosted, HostedModels
from fluxhouse.dialects.replicate.predictions import prediction, remarks
from fluxhouse.dialects.replicate.problems import InvalidVersion, MissingKey, failure
from fluxhouse.dialects.submitting import Accent, Wanted, take_in
from fluxhouse.dialects.waiting import wait_seconds
from fluxhouse.dialects.wire import key_in
from fluxhouse.generation.errors import InvalidParameter

DIALECT = "replicate"
# One that holds the whole minute loses clients that give up after just that, and then send their request again.
LONGEST_WAIT = 58.0  # seconds
_DURATION = re.compile(r"([0-9]{1,9})|(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?")
_SHORTEST_PATIENCE = timedelta(seconds=5)
_LONGEST_PATIENCE = timedelta(days=1)

_VERSION = Parameter(name="version", type="string", required=True, max_length=300)
_STREAM = Parameter(name="stream", type="boolean")
_FILTER = Parameter(name="webhook_events_filter", type="array", item_type="string")
_WEBHOOKS = ("webhook", "webhook_completed")
_FIELDS = ("input", *_WEBHOOKS, "webhook_events_filter", "stream")

Choose = Callable[[Mapping[str, Any]], Hosted]


class Creating:
    """`POST .../predictions`, of the version in the body or the model in the path."""

    def __init__(self, door: Door, hosted: HostedModels) -> None:
        self._door = door
        self._hosted = hosted
        self._addresses = Addresses(door)
        self._url = next(
            parameter for parameter in door.catalog.models[0].parameters if parameter.name == "webhook_url"
        )

    async def of_version(self, request: Request) -> Response:
        """A prediction of what the body's `version` refers to."""

        def chosen(body: Mapping[str, Any]) -> Hosted:
            found = self._hosted.referred(str(_VERSION.check(body.get("version"))))
            if found is None:
                raise InvalidVersion
            return found

        return await self._created(request, chosen, (*_FIELDS, "version"))

    async def of_model(self, request: Request) -> Response:
        """A prediction of the model that the path names."""
        owner, name = request.path_params["owner"], request.path_params["name"]
        return await self._created(request, lambda _body: self._hosted.named(owner, name), _FIELDS)

    async def _created(self, request: Request, choose: Choose, names: tuple[str, ...]) -> Response:
        door, wait = self._door, min(wait_seconds(request), LONGEST_WAIT)
        patience = request.headers.get("cancel-after")

        def read(body: Mapping[str, Any]) -> Wanted:
            return self._wanted(choose(body), body, names, patience)

        answer = await take_in(door, request, token_in(request), Accent(DIALECT, "unknown", read, beside=patience))
        headers = submit_headers(door, answer)
        if isinstance(answer, Refused):
            return failure(answer.error, headers)
        if not wait:
            return JSONResponse(prediction(door, answer.job), 201, headers)
        return await self._waited(request, answer.job, wait, headers)

    async def _waited(self, request: Request, job: Job, seconds: float, headers: dict[str, str]) -> Response:
        """The prediction once it has ended, or as it was created: any other status ends the waiting of clients."""
        headers["Preference-Applied"] = f"wait={seconds:.0f}"
        # Who sent an idempotency key may come again, and a webhook tells of the end: somebody still wants it.
        kept = "idempotency-key" in request.headers or job.terms.webhook_events is not None
        after = await self._door.wait_connected(request.receive, job, seconds, kept=kept)
        if after is None:
            return Response(status_code=202)  # nobody reads it
        if after.state.terminal:
            return JSONResponse(prediction(self._door, after), 201, headers)
        return JSONResponse(prediction(self._door, after) | {"status": "starting"}, 202, headers)

    def _wanted(self, hosted: Hosted, body: Mapping[str, Any], names: tuple[str, ...], patience: str | None) -> Wanted:
        _refuse_unknown(body, names)
        sent = body.get("input")
        if not isinstance(sent, dict):
            raise InvalidParameter("`input` must be an object.", field="input")
        _STREAM.check(body.get("stream"))
        asked = hosted.read(sent, self._door.catalog, self._addresses.picture)
        field, url, events = self._webhook(body)
        return Wanted(
            serving=asked.parsed.serving.id,
            price_micro=asked.parsed.price_micro,
            count=asked.parsed.count,
            input_values=asked.parsed.input_values,
            make=asked.request,
            webhook_url=url,
            webhook_field=field,
            model=hosted.model.id,
            patience=None if patience is None else _duration(patience),
            terms=Terms(events, remarks(hosted, sent)),
            loras=asked.parsed.loras,
        )

    def _webhook(self, body: Mapping[str, Any]) -> tuple[str, str | None, tuple[str, ...] | None]:
        """The field that names a webhook, its URL and what it is told of."""
        events = _FILTER.check(body.get("webhook_events_filter"))
        chosen = tuple(str(event) for event in events) if isinstance(events, list) else (OUTPUT, COMPLETED)
        if wrong := [event for event in chosen if event not in EVENTS]:
            message = f"`webhook_events_filter` may have {', '.join(EVENTS)}, not `{wrong[0][:100]}`."
            raise InvalidParameter(message, field="webhook_events_filter")
        given = [name for name in _WEBHOOKS if body.get(name) is not None]
        if len(given) > 1:
            raise InvalidParameter("`webhook` and `webhook_completed`: give one of the two.", field=given[1])
        if not given:
            return "webhook", None, None
        url = str(replace(self._url, name=given[0]).check(body[given[0]]))
        return given[0], url, chosen if given[0] == "webhook" else (COMPLETED,)


def token_in(request: Request) -> str:
    """The key of `Authorization: Bearer` or `Token`; raises `MissingKey`."""
    key = key_in(request, "bearer", "token")
    if not key:
        raise MissingKey
    return key


def _duration(text: str) -> timedelta:
    """What `30`, `30s`, `5m` or `1h30m45s` says, at least five seconds; raises `InvalidParameter`."""
    match = _DURATION.fullmatch(text.strip())
    bare, hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match else (0, 0, 0, 0)
    found = timedelta(hours=hours, minutes=minutes, seconds=bare + seconds)
    if not _SHORTEST_PATIENCE <= found <= _LONGEST_PATIENCE:
        message = "`Cancel-After` must be a duration such as 30, 30s, 5m or 1h30m45s, from 5 seconds to 24 hours."
        raise InvalidParameter(message, field="Cancel-After")
    return found


def _refuse_unknown(body: Mapping[str, Any], names: tuple[str, ...]) -> None:
    for name in body:
        if name not in names:
            shown = name[:100]
            message = f"`{shown}` is not a field of a prediction; it takes: {', '.join(names)}."
            raise InvalidParameter(message, field=shown)
