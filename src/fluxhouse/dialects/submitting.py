"""The one sequence of every submit: rate, body, recall, reading, inputs, order; accents say only how to read a body."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from starlette.requests import Request

from fluxhouse.catalog.loras import AskedLora
from fluxhouse.core import limits
from fluxhouse.core.idempotency import IdempotencyKey
from fluxhouse.core.jobs import Terms
from fluxhouse.core.keys import Caller, Scope
from fluxhouse.core.limits import Window
from fluxhouse.core.submit import Refused, Submitted
from fluxhouse.dialects.dialect import Door, Order
from fluxhouse.dialects.intake import InputValue
from fluxhouse.dialects.wire import idempotency_key, json_object, read_body
from fluxhouse.generation.errors import PlatformError, RateLimited
from fluxhouse.generation.image import InputImage
from fluxhouse.generation.request import GenerationRequest

LARGE_BYTES = 64 * 1024  # a quote of a larger body costs as much rate as a submit


@dataclass(frozen=True, slots=True)
class Wanted:
    """A body that passed every rule of its dialect.

    `serving` is the catalog entry that makes the images, `price_micro` the price of one. `make` completes the request:
    it takes the pictures that answer `input_values` one for one, and the seed for a body that names none; `loras` are
    put to it.
    `webhook_url`, if any, was sent as `webhook_field`. `model` is the catalog entry asked where the body names it; for
    `patience` and `terms` see `Submission`.
    """

    serving: str
    price_micro: int
    count: int
    input_values: Sequence[tuple[str, InputValue]]
    make: Callable[[Sequence[InputImage], int], GenerationRequest]
    webhook_url: str | None
    webhook_field: str
    model: str | None = None
    patience: timedelta | None = None
    terms: Terms = field(default_factory=Terms)
    loras: Sequence[AskedLora] = ()


@dataclass(frozen=True, slots=True)
class Accent:
    """How one dialect submits to catalog entry `model`: `parse` takes a body (bytes and media type) apart, `read` turns
    it into what is wanted; either may refuse it.

    `beside` is what the request asks for outside its body; a repeat under one idempotency key must ask for the same.
    """

    dialect: str
    model: str
    read: Callable[[Mapping[str, Any]], Wanted]
    beside: str | None = None
    parse: Callable[[bytes, str | None], Awaitable[Mapping[str, Any]]] = json_object


async def admit(door: Door, key_text: str | None, scope: Scope | None) -> tuple[Caller, Window]:
    """Who comes, and how its rate stands, in one read; raises what concerns the key, or the scope it lacks."""
    now = door.clock.now()
    return await door.ask(
        key_text, scope, lambda connection, caller: (caller, limits.look(connection, caller.key, now))
    )


async def take_in(door: Door, request: Request, key_text: str | None, accent: Accent) -> Submitted | Refused:
    """The answer to a submit; raises only what concerns the key itself, which nobody's rate can be charged with."""
    caller, window = await admit(door, key_text, None)
    try:
        require_rate(window, door)
        return await _take_in(door, request, caller, accent)
    except PlatformError as error:
        return await door.refuse(caller, accent.model, error)


async def place(
    door: Door, key_text: str | None, dialect: str, model: str, read: Callable[[], Wanted]
) -> Submitted | Refused:
    """`take_in` for an accent that has its body already: `read` says what is wanted, or refuses it."""
    caller, window = await admit(door, key_text, None)
    try:
        require_rate(window, door)
        caller.key.require(Scope.RUN)
        return await door.submit(caller, await _order(door, caller, dialect, model, read(), None))
    except PlatformError as error:
        return await door.refuse(caller, model, error)


async def read_quoted(door: Door, request: Request, caller: Caller, window: Window) -> Mapping[str, Any]:
    """The body of a quote: for a caller whose rate is used up it is not even read, and a large one is counted."""
    require_rate(window, door)
    content = await read_body(request)
    if len(content) > LARGE_BYTES:
        await count_rate(door, caller)
    return await json_object(content, request.headers.get("content-type"))


async def count_rate(door: Door, caller: Caller) -> None:
    """Count what costs as much rate as a submit; raises `RateLimited`."""
    counted = await door.database.write(lambda connection: limits.count(connection, caller.key, door.clock.now()))
    require_rate(counted, door)


def require_rate(window: Window, door: Door) -> None:
    """Raise `RateLimited` where the next submit would be one too many."""
    if window.exceeded:
        raise RateLimited(retry_after_seconds=window.seconds_left(door.clock.now()))


async def _take_in(door: Door, request: Request, caller: Caller, accent: Accent) -> Submitted | Refused:
    """The first answer where this is a repeat, whatever has become of the model since; then everything else."""
    caller.key.require(Scope.RUN)
    content = await read_body(request)
    sent = await idempotency_key(request, content, accent.beside)
    if sent is not None:
        first = await door.replay(caller, accent.model, sent)
        if first is not None:
            return first
    wanted = accent.read(await accent.parse(content, request.headers.get("content-type")))
    model = wanted.model or accent.model
    try:
        return await door.submit(caller, await _order(door, caller, accent.dialect, model, wanted, sent))
    except PlatformError as error:
        return await door.refuse(caller, model, error)


async def _order(
    door: Door, caller: Caller, dialect: str, model: str, wanted: Wanted, sent: IdempotencyKey | None
) -> Order:
    """What is wanted as the door takes it, its pictures kept; raises whatever speaks against them or the webhook."""
    door.require_serving(wanted.serving)
    cost_micro = wanted.price_micro * wanted.count
    if wanted.webhook_url is not None:
        await door.intake.check_webhook(caller, wanted.webhook_url, wanted.webhook_field, cost_micro, door.clock.now())
    loras = await door.loras.accept(caller, wanted.loras, cost_micro, door.clock.now())
    inputs = await door.intake.accept(caller, wanted.input_values, cost_micro, door.clock.now())
    made = replace(wanted.make(inputs, secrets.randbelow(2**32)), loras=loras)
    return Order(
        dialect=dialect,
        model=model,
        request=made,
        price_micro=wanted.price_micro,
        idempotency=sent,
        webhook_url=wanted.webhook_url,
        patience=wanted.patience,
        terms=wanted.terms,
    )
