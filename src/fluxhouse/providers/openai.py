"""OpenAI's images, and every server that speaks its language: one request that waits for its picture."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx2

from fluxhouse.generation.errors import PromptRefused, ProviderFailed
from fluxhouse.generation.request import OutputFormat, Task
from fluxhouse.providers.host import Answer, Fetch, Host, Refusal, decoded
from fluxhouse.providers.pictures import FORMATS, Picture, transparent_where_white
from fluxhouse.providers.vendor import Made, Prices, Wish, given

NAME = "openai"
URL = "https://api.openai.com/v1"
_SECONDS = 600.0
_GPT_IMAGE = "gpt-image"
_SIZES = {"1024x1024": 1.0, "1536x1024": 1.5, "1024x1536": 2 / 3}
_REFUSED = ("moderation_blocked", "content_policy_violation", PromptRefused.code)


class OpenAI:
    """The vendor, or whoever else answers at `url`; models keep our names where the operator gives no other."""

    name = NAME
    has_receipts = False
    models: Mapping[str, str] = {
        model: model
        for model in ("flux-schnell", "flux-dev", "flux-krea-dev", "flux-kontext-dev", "flux-fill-dev", "flux-pro",
                      "flux-1.1-pro", "flux-1.1-pro-ultra", "flux-kontext-pro", "flux-kontext-max")
    }  # fmt: skip
    prices = Prices({"gpt-image-1": 0.042, "gpt-image-1-mini": 0.011})

    def __init__(self, key: str, fetch: Fetch, url: str = URL) -> None:
        self.host = Host(self.name, url, {"authorization": f"Bearer {key}"} if key else {}, fetch)

    async def send(self, wish: Wish) -> Made:
        """Ask for the picture and wait; what is sent with pictures is a form, the same byte for byte each time."""
        fields = _fields(wish)
        try:
            if wish.pictures:
                content, content_type = _form(wish, fields)
                headers = {"content-type": content_type}
                answer = await self.host.send("/images/edits", wish.key, _SECONDS, content=content, headers=headers)
            else:
                answer = await self.host.send("/images/generations", wish.key, _SECONDS, json=fields)
        except Refusal as refusal:
            if refusal.answer.code in _REFUSED:
                raise PromptRefused(refusal.message) from None
            raise
        return _made(answer)

    async def look(self, receipt: Mapping[str, str]) -> Made | None:  # noqa: ARG002  The protocol's.
        """Never asked: there are no receipts."""
        raise ProviderFailed("OpenAI's contract has nothing to ask after.", charged=True)

    async def withdraw(self, receipt: Mapping[str, str]) -> None:
        """Nothing: hanging up is all that the contract has."""


def _made(answer: Answer) -> Made:
    shown = answer.body.get("data")
    first = shown[0] if isinstance(shown, list) and shown and isinstance(shown[0], Mapping) else {}
    if isinstance(text := first.get("b64_json"), str):
        return Made(decoded(text))
    if isinstance(url := first.get("url"), str):
        return Made(url)
    raise ProviderFailed("The provider's answer has no picture.", charged=True)


def _fields(wish: Wish) -> dict[str, object]:
    request = wish.request
    fields = given(model=wish.model, prompt=request.prompt, n=1, output_format=FORMATS[request.format].lower())
    if request.format is not OutputFormat.PNG:
        fields["output_compression"] = request.quality
    if wish.model.startswith(_GPT_IMAGE):
        proportion = request.width / request.height
        size = min(_SIZES, key=lambda size: abs(_SIZES[size] / proportion - 1))
        return fields | {"size": size, "moderation": "auto"}
    fields |= {"response_format": "b64_json", "size": f"{request.width}x{request.height}", "seed": request.seed}
    fields |= given(num_inference_steps=request.steps, guidance_scale=request.guidance)
    return fields if request.task is not Task.VARY else fields | given(prompt_strength=request.strength)


def _form(wish: Wish, fields: Mapping[str, Any]) -> tuple[bytes, str]:
    """A multipart body whose boundary comes of the key: a repeat must be the same to the byte."""
    files: list[tuple[str, tuple[str, bytes, str]]] = []
    pictures = list(wish.pictures)
    if wish.request.task is Task.FILL:
        shown, mask = pictures
        pictures, turned = [shown], transparent_where_white(shown, mask)
        files.append(("mask", _part("mask", turned)))
    named = "image" if len(pictures) == 1 else "image[]"
    files += [(named, _part(f"image{number}", picture)) for number, picture in enumerate(pictures)]
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()
             if name != "moderation"}  # fmt: skip
    content_type = f"multipart/form-data; boundary={wish.key}"
    request = httpx2.Request("POST", "http://form", data=texts, files=files, headers={"content-type": content_type})
    return request.read(), content_type


def _part(name: str, picture: Picture) -> tuple[str, bytes, str]:
    return f"{name}.{picture.content_type.rpartition('/')[2]}", picture.content, picture.content_type
