"""How pictures are moderated: who looks at them, and from which score on one is withheld."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

USUAL_TOLERANCE = 5
"""What holds where a contract has no such field, or a request says nothing."""
_DISABLED_TAG = "Content moderation disabled"
_THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.9)


class Moderation(StrEnum):
    """Who looks at the pictures of a model here; `sentence` says it to people."""

    NONE = "none"
    BUILTIN = "builtin"
    CHECKER = "checker"
    PROVIDER = "provider"
    DISABLED = "disabled"

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]

    def tags(self, listed: Sequence[str]) -> list[str]:
        """A model's tags: what the catalog's say of moderation gives way to what holds here."""
        if self in (Moderation.NONE, Moderation.BUILTIN):
            return list(listed)
        others = [tag for tag in listed if tag != _DISABLED_TAG]
        return [*others, _DISABLED_TAG] if self is Moderation.DISABLED else others


_SENTENCES = {
    Moderation.NONE: "none (no checker configured): nothing is filtered.",
    Moderation.BUILTIN: (
        "none (no checker configured). The built-in model has seen nothing but painted figures and landscapes: "
        "its world has no unsafe content."
    ),
    Moderation.CHECKER: (
        "a safety checker scores every picture. One that scores too high for the request's tolerance is withheld: "
        "a black picture stands in its place, flagged, and costs nothing. There are no previews meanwhile."
    ),
    Moderation.PROVIDER: "that of the provider which makes the pictures; no checker of this installation looks.",
    Moderation.DISABLED: "disabled for this model: no checker of this installation looks at its pictures.",
}


def threshold(tolerance: int) -> float:
    """The score from which on a picture is withheld, by a tolerance from 0, the strictest, to 6."""
    if not 0 <= tolerance < len(_THRESHOLDS):
        raise ValueError(f"a tolerance is from 0 to {len(_THRESHOLDS) - 1}: {tolerance}")
    return _THRESHOLDS[tolerance]
