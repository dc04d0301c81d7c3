"""What a request wishes for outside its body: fal's headers and query parameters, each obeyed or refused by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from starlette.requests import Request

from fluxhouse.catalog.parameter import Parameter
from fluxhouse.generation.errors import InvalidParameter, UnsupportedParameter

WEBHOOK, MAX_QUEUE_LENGTH = "fal_webhook", "fal_max_queue_length"
TIMEOUT, PRIORITY = "x-fal-request-timeout", "x-fal-queue-priority"
LIFECYCLES = ("x-fal-object-lifecycle-preference", "x-fal-object-lifecycle")
_PRIORITIES: Mapping[str, float] = {"normal": 1.0, "low": 0.5}  # the share of a busy device
_LONGEST_TIMEOUT = 86_400  # seconds
_OFF = ("0", "false", "no")
_WEBHOOK_URL = Parameter(
    name=WEBHOOK,
    type="string",
    max_length=2000,
    pattern="^https?://[!-~]+$",
    pattern_says="must be an https URL of visible ASCII characters",
)

# Only these words pass: what they ask for happens anyway. Whatever else asks for what cannot be done here.
_REFUSED: Mapping[str, tuple[Callable[[str], bool], str]] = {
    **dict.fromkeys(
        LIFECYCLES, (lambda _text: False, "how long pictures are kept is the operator's choice: leave it out")
    ),
    "x-fal-store-io": (lambda text: text not in _OFF, "a request is kept until it expires: leave it out or send 1"),
    "x-fal-no-retry": (
        lambda text: text in _OFF,
        "a request that the death of a process ended is run again: leave it out",
    ),
    "x-fal-retry-config": (lambda _text: False, "what is run again is not chosen by request: leave it out"),
}


@dataclass(frozen=True, slots=True)
class Wishes:
    """`start_within` is how long the request may wait for its start, `share` its part of a busy device."""

    webhook_url: str | None
    start_within: timedelta | None
    share: float

    @classmethod
    def of(cls, request: Request) -> Wishes:
        """Those of a request; raises `InvalidParameter` and `UnsupportedParameter` with the header or parameter."""
        refuse_unsupported(request)
        headers = request.headers
        priority = headers.get(PRIORITY, "normal")
        if priority not in _PRIORITIES:
            raise InvalidParameter(f"`{PRIORITY}` must be one of {', '.join(_PRIORITIES)}.", field=PRIORITY)
        url = _WEBHOOK_URL.check(request.query_params.get(WEBHOOK))
        return cls(None if url is None else str(url), _timeout(headers.get(TIMEOUT)), _PRIORITIES[priority])


def spoken(request: Request) -> str | None:
    """What is wished for, for comparing a repeat with the first; None where nothing is."""
    said = [request.query_params.get(WEBHOOK), request.headers.get(TIMEOUT), request.headers.get(PRIORITY)]
    return None if not any(said) else "\n".join(word or "" for word in said)


def refuse_unsupported(request: Request) -> None:
    """Raise `UnsupportedParameter` for the first header that asks for what cannot be done here."""
    for name, (passes, reason) in _REFUSED.items():
        if name in request.headers and not passes(request.headers[name].strip().lower()):
            raise UnsupportedParameter(f"`{name}` is not supported by this installation: {reason}.", field=name)


def longest_queue(request: Request) -> int | None:
    """How many requests may wait before this one, None for any number; raises `InvalidParameter`."""
    text = request.query_params.get(MAX_QUEUE_LENGTH)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidParameter(f"`{MAX_QUEUE_LENGTH}` must be a whole number, 0 or more.", field=MAX_QUEUE_LENGTH)
    return int(text)


def _timeout(text: str | None) -> timedelta | None:
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _LONGEST_TIMEOUT:
        message = f"`{TIMEOUT}` must be a number of seconds, more than 0 and at most {_LONGEST_TIMEOUT:,}."
        raise InvalidParameter(message, field=TIMEOUT)
    return timedelta(seconds=seconds)
