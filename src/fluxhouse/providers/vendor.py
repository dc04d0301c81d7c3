"""What a vendor's file says of it: how to send for one image there, look after it, and call it off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from fluxhouse.generation.errors import ProviderRefused
from fluxhouse.generation.request import GenerationRequest
from fluxhouse.providers.host import Host
from fluxhouse.providers.pictures import Picture

MICRO_USD = 1_000_000


@dataclass(frozen=True, slots=True)
class Wish:
    """One image to be made at a vendor by its `model`.

    `request` asks for one image, whose seed is its own. `pictures` are those of `request.inputs`. `key` is the same
    whenever this image is sent for.
    """

    request: GenerationRequest
    model: str
    pictures: Sequence[Picture]
    key: str


@dataclass(frozen=True, slots=True)
class Made:
    """An image that is ready: its bytes, or where they are. `cost_micro_usd` where the vendor names it."""

    place: str | bytes
    nsfw: bool = False
    cost_micro_usd: int | None = None


@dataclass(frozen=True, slots=True)
class Prices:
    """A vendor's list price by its model, in US dollars: for an image, or for each megapixel of it begun."""

    dollars: Mapping[str, float]
    per_megapixel: bool = False

    def micro_usd(self, wish: Wish) -> int:
        """What an image costs by the list; 0 for a model that is not on it."""
        price = round(self.dollars.get(wish.model, 0.0) * MICRO_USD)
        return price * -(-wish.request.width * wish.request.height // 2**20) if self.per_megapixel else price


class Vendor(Protocol):
    """A vendor's contract. Every method raises what `Host` does.

    Without receipts it has its caller wait for the image, and to hang up is the one way to call it off.
    """

    name: str
    has_receipts: bool
    host: Host
    models: Mapping[str, str]
    prices: Prices

    async def send(self, wish: Wish) -> Mapping[str, str] | Made:
        """Send for an image once; a receipt for `look`, or the image from a vendor that lets its caller wait.

        Raises `Unanswered` where it may have arrived, `ProviderRefused` for what the vendor does not make, and
        `PromptRefused`.
        """

    async def look(self, receipt: Mapping[str, str]) -> Made | None:
        """The image, None while it is in the making; `ProviderFailed` where it never will be."""

    async def withdraw(self, receipt: Mapping[str, str]) -> None:
        """Call it off; done where the vendor cannot, or where it has ended."""


def one_picture(wish: Wish) -> Picture | None:
    """The input picture of a vendor that takes one at most; raises `ProviderRefused`."""
    if len(wish.pictures) > 1:
        raise ProviderRefused(f"{wish.model} takes one input image there, not {len(wish.pictures)}.")
    return wish.pictures[0] if wish.pictures else None


def given(**fields: object) -> dict[str, object]:
    """The fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}
