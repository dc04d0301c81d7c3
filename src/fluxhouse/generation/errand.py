"""Errands: images that a provider is sent for, and the record of them that outlives the process that sent it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

from fluxhouse.generation.backend import Backend


class ErrandState(StrEnum):
    """Where an errand stands; an open one may cost something yet."""

    SENDING = "sending"  # written before anything is sent: the provider may or may not know of it
    ACCEPTED = "accepted"  # the provider's receipt is kept
    MADE = "made"
    FAILED = "failed"  # accepted, and ended without an image
    REFUSED = "refused"  # never accepted: it may be sent again
    WITHDRAWN = "withdrawn"


OPEN_ERRANDS = frozenset({ErrandState.SENDING, ErrandState.ACCEPTED})


@dataclass(frozen=True, slots=True)
class Errand:
    """One image of a job at one provider.

    `key` names it to providers that keep idempotency keys, the same one whenever the job is tried. `receipt` is what
    the provider calls it, empty until that is known. `fresh` says that nothing has been sent for it before.
    """

    provider: str
    index: int
    key: str
    state: ErrandState
    receipt: Mapping[str, str] = field(default_factory=dict)
    fresh: bool = False


class Errands(Protocol):
    """The record of one job's errands; what it has answered is durable."""

    async def begin(self, provider: str, index: int) -> Errand:
        """The errand for image `index`, written now where there was none."""

    async def accepted(self, errand: Errand, receipt: Mapping[str, str]) -> None:
        """Keep what the provider calls it."""

    async def ended(self, errand: Errand, state: ErrandState, cost_micro_usd: int = 0) -> None:
        """Keep how it ended, and what the provider charges for it in millionths of a US dollar."""


@runtime_checkable
class Remote(Protocol):
    """A backend that has images made elsewhere."""

    @property
    def name(self) -> str:
        """What `servedBy` says, such as `replicate`."""

    def keeping(self, errands: Errands) -> Backend:
        """The backend for one job, which goes on with the errands of that job that an earlier attempt began.

        Closing its iterator lets go of them and withdraws none.
        """

    async def withdraw(self, receipt: Mapping[str, str]) -> None:
        """Ask the provider to stop; done where it cannot or has ended already. Raises `ProviderUnavailable`."""
