"""Replicate: predictions, created and asked after; https://replicate.com/docs/reference/http."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fluxhouse.generation.errors import ContentModerated, ProviderFailed, ProviderRefused
from fluxhouse.generation.request import Acceleration, OutputFormat, Task
from fluxhouse.providers.host import Answer, Fetch, Host
from fluxhouse.providers.pictures import nearest
from fluxhouse.providers.vendor import Made, Prices, Wish, given, one_picture

NAME = "replicate"
URL = "https://api.replicate.com"
_BLACK_FOREST = "black-forest-labs/"
_FULL: Mapping[str, tuple[int, int]] = {
    "1:1": (1024, 1024), "16:9": (1344, 768), "21:9": (1536, 640), "3:2": (1216, 832), "2:3": (832, 1216),
    "4:5": (896, 1088), "5:4": (1088, 896), "3:4": (896, 1152), "4:3": (1152, 896), "9:16": (768, 1344),
    "9:21": (640, 1536),
}  # fmt: skip
_QUARTER_PIXELS = 600_000  # below it, the vendor's quarter of a megapixel is nearer than its whole one
_FLAGGED = "nsfw"  # in the error of a prediction all of whose images were held back
_SIDES, _GRID = (256, 1440), 32


class Replicate:
    """The vendor; `token` as it gives them out, and `url` without `/v1`."""

    name = NAME
    has_receipts = True
    models: Mapping[str, str] = {
        model: _BLACK_FOREST + model
        for model in ("flux-schnell", "flux-dev", "flux-krea-dev", "flux-kontext-dev", "flux-fill-dev", "flux-pro",
                      "flux-1.1-pro", "flux-1.1-pro-ultra", "flux-kontext-pro", "flux-kontext-max")
    }  # fmt: skip
    prices = Prices(
        {
            _BLACK_FOREST + model: price
            for model, price in {
                "flux-schnell": 0.003, "flux-dev": 0.025, "flux-krea-dev": 0.025, "flux-kontext-dev": 0.025,
                "flux-fill-dev": 0.04, "flux-pro": 0.04, "flux-1.1-pro": 0.04, "flux-1.1-pro-ultra": 0.06,
                "flux-kontext-pro": 0.04, "flux-kontext-max": 0.08,
            }.items()
        }
    )  # fmt: skip

    def __init__(self, token: str, fetch: Fetch, url: str = URL) -> None:
        self.host = Host(self.name, url, {"authorization": f"Bearer {token}"}, fetch)

    async def send(self, wish: Wish) -> Mapping[str, str]:
        """Create a prediction."""
        name, _, version = wish.model.partition(":")
        body: dict[str, Any] = {"input": _input(wish, name)}
        if version:
            path, body = "/v1/predictions", {"version": version, **body}
        else:
            path = f"/v1/models/{name}/predictions"
        answer = await self.host.send(path, wish.key, json=body)
        return {"id": _id(answer), "model": name}

    async def look(self, receipt: Mapping[str, str]) -> Made | None:
        """The prediction's output."""
        answer = await self.host.ask("GET", f"/v1/predictions/{receipt['id']}")
        if answer.status == 404:
            raise ProviderFailed("Replicate does not know its prediction any more.", charged=True)
        body = answer.body
        match body.get("status"):
            case "succeeded":
                output = body.get("output")
                place = output[0] if isinstance(output, list) and output else output
                if not isinstance(place, str):
                    raise ProviderFailed("Replicate has removed its image.", charged=True)
                return Made(place)
            case "failed" | "canceled" | "aborted" as state:
                if _FLAGGED in str(body.get("error")).lower():
                    raise ContentModerated(f"Replicate says: {str(body.get('error'))[:300]}")
                # Runs of the official models are free unless they succeed; of others, time is charged.
                charged = not receipt["model"].startswith(_BLACK_FOREST)
                raise ProviderFailed(f"Replicate says {state}: {str(body.get('error'))[:300]}", charged=charged)
        return None

    async def withdraw(self, receipt: Mapping[str, str]) -> None:
        """Cancel the prediction."""
        await self.host.ask("POST", f"/v1/predictions/{receipt['id']}/cancel")


def _id(answer: Answer) -> str:
    found = answer.body.get("id")
    if not isinstance(found, str) or not found.isalnum():
        raise ProviderFailed("Replicate's answer has no id.", charged=True)
    return found


def _input(wish: Wish, name: str) -> dict[str, object]:
    request, model = wish.request, name.rpartition("/")[2]
    shared = given(prompt=request.prompt, seed=request.seed, output_format=request.format.value)
    picture = None if request.task is Task.FILL else one_picture(wish)
    if "kontext" in model:
        size: dict[str, object] = {"aspect_ratio": "match_input_image" if picture else _ratio(wish)}
        fields = shared | size | given(input_image=picture and picture.uri)
        return fields | (_steered(wish, fast=True) if model.endswith("dev") else _without_webp(shared))
    if request.task is Task.FILL:
        shown, mask = wish.pictures
        drawn = {"image": shown.uri, "mask": mask.uri, "megapixels": "match_input"}
        return shared | drawn | _steered(wish, fast=False)
    if "pro" in model:
        if picture is not None:
            raise ProviderRefused(f"{wish.model} does not start from an input image there.")
        return shared | (_without_webp(shared) | {"aspect_ratio": _ratio(wish)} if "ultra" in model else _sides(wish))
    fields = shared | {"aspect_ratio": _ratio(wish), "num_outputs": 1, "megapixels": _megapixels(wish)}
    if picture is not None:
        fields |= {"image": picture.uri} | given(prompt_strength=request.strength)
    fields |= _steered(wish, fast=True)
    if "schnell" in model:
        fields.pop("guidance", None)
    return fields


def _steered(wish: Wish, *, fast: bool) -> dict[str, object]:
    request = wish.request
    fields = given(num_inference_steps=request.steps, guidance=request.guidance)
    if request.format is not OutputFormat.PNG:
        fields["output_quality"] = request.quality
    return fields | ({"go_fast": request.acceleration is Acceleration.HIGH} if fast else {})


def _without_webp(shared: Mapping[str, object]) -> dict[str, object]:
    return {"output_format": "png"} if shared["output_format"] == "webp" else {}


def _ratio(wish: Wish) -> str:
    return nearest(wish.request.width, wish.request.height, list(_FULL))


def _megapixels(wish: Wish) -> str:
    return "0.25" if wish.request.width * wish.request.height < _QUARTER_PIXELS else "1"


def _sides(wish: Wish) -> dict[str, object]:
    """The aspect ratio, or the sides themselves where the vendor's sizes do not have them."""
    width, height, ratio = wish.request.width, wish.request.height, _ratio(wish)
    if _FULL[ratio] != (width, height) and all(_SIDES[0] <= s <= _SIDES[1] and s % _GRID == 0 for s in (width, height)):
        return {"aspect_ratio": "custom", "width": width, "height": height}
    return {"aspect_ratio": ratio}
