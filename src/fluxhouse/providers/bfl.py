"""Black Forest Labs: tasks, submitted and asked after where the answer says; https://docs.bfl.ai."""

from __future__ import annotations

from collections.abc import Mapping
from math import gcd

import httpx2

from fluxhouse.generation.errors import ContentModerated, PromptRefused, ProviderFailed, ProviderRefused
from fluxhouse.generation.request import Task
from fluxhouse.providers.host import Fetch, Host
from fluxhouse.providers.pictures import FORMATS
from fluxhouse.providers.vendor import MICRO_USD, Made, Prices, Wish, given

NAME = "bfl"
URL = "https://api.bfl.ai"
_SIDES, _GRID = (256, 1440), 32
_WIDEST = 21 / 9
_MOST_PICTURES = 4
_CREDIT_USD = 0.01


class Bfl:
    """The vendor; `key` as it gives them out. It has no way to call a task off."""

    name = NAME
    has_receipts = True
    models: Mapping[str, str] = {
        "flux-dev": "flux-dev",
        "flux-1.1-pro": "flux-pro-1.1",
        "flux-1.1-pro-ultra": "flux-pro-1.1-ultra",
        "flux-kontext-pro": "flux-kontext-pro",
        "flux-kontext-max": "flux-kontext-max",
        "flux-fill-dev": "flux-pro-1.0-fill",
    }
    prices = Prices(
        {"flux-dev": 0.025, "flux-pro-1.1": 0.04, "flux-pro-1.1-ultra": 0.06, "flux-kontext-pro": 0.04,
         "flux-kontext-max": 0.08, "flux-pro-1.0-fill": 0.05}
    )  # fmt: skip

    def __init__(self, key: str, fetch: Fetch, url: str = URL) -> None:
        self.host = Host(self.name, url, {"x-key": key}, fetch)

    async def send(self, wish: Wish) -> Mapping[str, str]:
        """Submit a task."""
        answer = await self.host.send(f"/v1/{wish.model}", wish.key, json=_fields(wish))
        place, cost = answer.body.get("polling_url"), answer.body.get("cost")
        if not isinstance(place, str) or not _is_of(place, self.host.url):
            raise ProviderFailed("BFL's answer has no address of its own to ask at.", charged=True)
        credits = round(cost * _CREDIT_USD * MICRO_USD) if isinstance(cost, int | float) else None
        return {"url": place} | ({} if credits is None else {"cost_micro_usd": str(credits)})

    async def look(self, receipt: Mapping[str, str]) -> Made | None:
        """The task's result."""
        answer = await self.host.ask("GET", receipt["url"])
        state, result = answer.body.get("status"), answer.body.get("result")
        match state:
            case "Ready" if isinstance(result, Mapping):
                cost = receipt.get("cost_micro_usd")
                return Made(str(result.get("sample")), cost_micro_usd=None if cost is None else int(cost))
            case "Request Moderated":
                raise PromptRefused(f"The provider's moderation refused it ({state}).")
            case "Content Moderated":
                raise ContentModerated(f"The provider's moderation refused it ({state}).")
            case "Error" | "Failed" | "Task not found":
                raise ProviderFailed(f"BFL says {state}.", charged=True)
        if answer.status >= 400:
            raise ProviderFailed(f"BFL answers with status {answer.status}.", charged=True)
        return None

    async def withdraw(self, receipt: Mapping[str, str]) -> None:
        """Nothing: the vendor's contract has no such request."""


def _fields(wish: Wish) -> dict[str, object]:
    request, model, pictures = wish.request, wish.model, wish.pictures
    shared = given(prompt=request.prompt, seed=request.seed, output_format=FORMATS[request.format].lower())
    if request.task is Task.FILL:
        shown, mask = pictures
        fields = given(image=shown.base64, mask=mask.base64, steps=request.steps, guidance=request.guidance)
        return shared | fields
    if "kontext" in model:
        if len(pictures) > _MOST_PICTURES:
            raise ProviderRefused(f"BFL takes at most {_MOST_PICTURES} input images, not {len(pictures)}.")
        names = [f"input_image_{n}" if n > 1 else "input_image" for n in range(1, len(pictures) + 1)]
        return shared | _ratio(wish) | dict(zip(names, (picture.base64 for picture in pictures), strict=True))
    if pictures:
        raise ProviderRefused(f"{model} does not start from an input image at BFL.")
    if "ultra" in model:
        return shared | _ratio(wish)
    sides: dict[str, object] = {"width": _side(request.width), "height": _side(request.height)}
    steered = given(steps=request.steps, guidance=request.guidance) if "pro" not in model else {}
    return shared | sides | steered


def _side(pixels: int) -> int:
    """The nearest that the vendor makes; the picture is brought to the pixels that were asked for when it comes."""
    return min(max(round(pixels / _GRID) * _GRID, _SIDES[0]), _SIDES[1])


def _ratio(wish: Wish) -> dict[str, object]:
    width, height = wish.request.width, wish.request.height
    if not 1 / _WIDEST <= width / height <= _WIDEST:
        return {"aspect_ratio": "21:9" if width > height else "9:21"}
    shared = gcd(width, height)
    return {"aspect_ratio": f"{width // shared}:{height // shared}"}


def _is_of(url: str, our_url: str) -> bool:
    """Whether an address is this host's, or that of another host under the same name, where regions have their own."""
    try:
        asked, ours = httpx2.URL(url), httpx2.URL(our_url)
    except httpx2.InvalidURL:
        return False
    if (asked.scheme, asked.host, asked.port) == (ours.scheme, ours.host, ours.port):
        return True
    _, _, domain = ours.host.partition(".")
    named = "." in domain and not domain.replace(".", "").isdigit()
    return asked.scheme == ours.scheme == "https" and named and asked.host.endswith(f".{domain}")
