"""What a forward costs on this device, fitted to a few that were measured, and how large a pack may be; no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

Lengths = tuple[int, ...]
"""Tokens of each segment of a pack."""

_RUNGS = (16, 64, 256, 1024, 4096)
"""Picture tokens of the forwards that are measured: 4096 are those of 1024 x 1024 pixels."""
_GROWTH = 6.0
"""How much longer the next rung is expected to take, four times as many tokens attending to four times as many."""
_WORTHWHILE = 0.05


@dataclass(frozen=True, slots=True)
class Profile:
    """Seconds of a forward: `fixed`, plus `per_token`, plus `per_pair` of tokens of one segment.

    Packs of up to `proven_tokens` were seen to give the bits that each of their segments gives alone.
    """

    fixed: float = 0.0
    per_token: float = 1e-4
    per_pair: float = 0.0
    proven_tokens: int = 0

    def seconds(self, lengths: Sequence[int]) -> float:
        """How long a forward over segments of these lengths takes."""
        tokens, pairs = sum(lengths), sum(length * length for length in lengths)
        return self.fixed + self.per_token * tokens + self.per_pair * pairs

    def tokens_within(self, seconds: float) -> int:
        """How many tokens, in short segments, take at most so long."""
        return max(0, int((seconds - self.fixed) / self.per_token)) if self.per_token > 0.0 else 2**31

    def pays(self, pack: Sequence[Lengths], joining: Lengths, waiting: int) -> bool:
        """Whether one more trajectory in the pack shortens the wait of all `waiting` ones taken together.

        Each member's step gets longer by what the new one adds; the new one and all behind it are nearer to their end
        by what it would have taken alone, less that. Without a gain of a twentieth it is noise.
        """
        before = [length for lengths in pack for length in lengths]
        added = self.seconds([*before, *joining]) - self.seconds(before)
        alone = self.seconds(joining)
        gain = alone - added
        return gain > _WORTHWHILE * alone and len(pack) * added < (waiting - len(pack)) * gain


@dataclass(frozen=True, slots=True)
class Measured:
    """One forward: its seconds, and a digest of the bits of each segment's result."""

    seconds: float
    digests: tuple[bytes, ...]


def survey(measure: Callable[[Lengths], Measured], text_tokens: int, budget_seconds: float) -> Profile:
    """The profile of a model by measuring forwards of growing size, as far as the budget goes.

    `measure` runs one forward over segments of so many picture tokens each; equal lengths have equal contents.
    """
    samples: list[tuple[Lengths, float]] = []
    proven, proving = 0, True
    spent = last = 0.0
    for rung in _RUNGS:
        if spent + last * _GROWTH > budget_seconds:
            break
        measured = {pack: _twice(measure, pack) for pack in _packs(rung)}
        last = 2 * sum(one.seconds for one in measured.values())
        spent += last
        samples += [(tuple(n + text_tokens for n in pack), one.seconds) for pack, one in measured.items()]
        proving = proving and all(
            one.digests == tuple(measured[(length,)].digests[0] for length in pack) for pack, one in measured.items()
        )
        if proving:
            proven = max(sum(pack) + len(pack) * text_tokens for pack in measured)
    return fit(samples, proven)


def shortest_survey_seconds(rough: Profile, text_tokens: int) -> float:
    """How long a survey takes at least, by a rough profile: its first rung."""
    return sum(2 * rough.seconds([n + text_tokens for n in pack]) for pack in _packs(_RUNGS[0]))


def _packs(rung: int) -> list[Lengths]:
    return [(rung,), (rung // 2,), (rung, rung), (rung // 2, rung, rung)]


def _twice(measure: Callable[[Lengths], Measured], pack: Lengths) -> Measured:
    """The faster of two: the first may have to set something up."""
    return min((measure(pack), measure(pack)), key=lambda one: one.seconds)


def fit(samples: Sequence[tuple[Lengths, float]], proven_tokens: int = 0) -> Profile:
    """The profile nearest to the samples by their relative errors, no coefficient below zero."""
    if not samples:
        return Profile(proven_tokens=proven_tokens)
    rows = np.array([[1.0, sum(lengths), sum(n * n for n in lengths)] for lengths, _ in samples])
    # Relative errors: a millisecond counts for more in a short forward.
    rows /= np.array([[seconds] for _, seconds in samples])
    best, least = np.zeros(3), float("inf")
    for size in (1, 2, 3):
        for chosen in map(list, combinations(range(3), size)):
            found = np.linalg.lstsq(rows[:, chosen], np.ones(len(rows)), rcond=None)[0]
            error = float(np.square(rows[:, chosen] @ found - 1.0).sum())
            if found.min() >= 0.0 and error < least:
                best, least = np.zeros(3), error
                best[chosen] = found
    fixed, per_token, per_pair = (float(value) for value in best)
    return Profile(fixed, per_token, per_pair, proven_tokens)
