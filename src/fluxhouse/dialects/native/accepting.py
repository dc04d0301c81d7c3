"""What `Accept` asks of a waiting submit: the job as JSON or a picture, and the file types it may have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from starlette.requests import Request

from fluxhouse.catalog.parsing import Parsed
from fluxhouse.generation.errors import InvalidParameter
from fluxhouse.generation.request import OutputFormat

_FIELD = "output_format"
_MOST_TYPES = 50
_NEVER = (0.0, 0, 0)


@dataclass(frozen=True, slots=True)
class Accepted:
    """File types that the caller takes, each with how much it is wanted (0 to 1), the most wanted first."""

    formats: Sequence[tuple[OutputFormat, float]]

    @property
    def text(self) -> str:
        """The same in words, equal where the same is asked for."""
        return " ".join(f"{format.content_type};q={weight:g}" for format, weight in self.formats)

    def settle(self, parsed: Parsed, body: Mapping[str, Any]) -> Parsed:
        """The request with a file type that is accepted; raises `InvalidParameter` where it can have none.

        The body's own `output_format` is never changed. Without one the model's own stays where nothing is wanted more.
        """
        made, weights = _made(parsed), dict(self.formats)
        if body.get(_FIELD) is not None:
            if made in weights:
                return parsed
            message = f"`output_format` {made} is not among what `Accept` takes: {_types(tuple(weights))}"
            raise InvalidParameter(message, field=_FIELD)
        possible = _possible(parsed)
        wanted = [(format, weight) for format, weight in self.formats if format in possible]
        if not wanted:
            message = f"`{parsed.serving.id}` can answer as {_types(possible)}, which `Accept` does not take"
            raise InvalidParameter(message, field="Accept")
        best, weight = wanted[0]
        chosen = made if weights.get(made) == weight else best
        return parsed if chosen == made else replace(parsed, values={**parsed.values, _FIELD: chosen.value})


def picture_wanted(request: Request) -> Accepted | None:
    """The pictures that `Accept` takes where it asks for one rather than JSON; None for JSON.

    The greatest weight decides, then the more exact name, then what stands first. A header that names nothing we can
    answer is passed over, as RFC 9110 allows.
    """
    ranges = _ranges(", ".join(request.headers.getlist("accept")))
    pictures = {format: _rank(ranges, "image", format.content_type) for format in OutputFormat}
    ranked = sorted((item for item in pictures.items() if item[1][0] > 0), key=lambda item: item[1], reverse=True)
    if not ranked or ranked[0][1] <= _rank(ranges, "application", "application/json"):
        return None
    return Accepted([(format, rank[0]) for format, rank in ranked])


def _ranges(header: str) -> dict[str, tuple[float, int]]:
    """Weight and place of every media range."""
    found: dict[str, tuple[float, int]] = {}
    for place, entry in enumerate(header.split(",")[:_MOST_TYPES]):
        kind, *parameters = (part.strip().lower() for part in entry.split(";"))
        weight = next((_weight(text[2:]) for text in parameters if text.startswith("q=")), 1.0)
        found.setdefault(kind, (weight, place))
    return found


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0


def _rank(ranges: dict[str, tuple[float, int]], family: str, kind: str) -> tuple[float, int, int]:
    """Weight, exactness and place (greater comes first) of the most exact range that covers `kind`."""
    for exactness, name in ((2, kind), (1, f"{family}/*"), (0, "*/*")):
        if name in ranges:
            weight, place = ranges[name]
            return weight, exactness, -place
    return _NEVER


def _made(parsed: Parsed) -> OutputFormat:
    return OutputFormat(parsed.values.get(_FIELD, OutputFormat.PNG))


def _possible(parsed: Parsed) -> Sequence[OutputFormat]:
    """The file types that the model can make for this caller."""
    parameter = parsed.serving.parameter(_FIELD)
    if parameter is None or parameter.enum is None or not parameter.supported:
        return (_made(parsed),)
    return [format for format in OutputFormat if format.value in parameter.enum]


def _types(formats: Sequence[OutputFormat]) -> str:
    return ", ".join(format.content_type for format in formats)
