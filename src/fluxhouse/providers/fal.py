"""fal: a queue of requests, submitted and asked after; https://fal.ai/docs/model-apis/inference/queue."""

from __future__ import annotations

from collections.abc import Mapping

from fluxhouse.generation.errors import PromptRefused, ProviderFailed, ProviderRefused
from fluxhouse.generation.request import Acceleration, OutputFormat, Task
from fluxhouse.providers.host import Answer, Fetch, Host
from fluxhouse.providers.pictures import nearest
from fluxhouse.providers.vendor import Made, Prices, Wish, given, one_picture

NAME = "fal"
URL = "https://queue.fal.run"
_RATIOS = ("21:9", "16:9", "4:3", "3:2", "1:1", "2:3", "3:4", "9:16", "9:21")
_REFUSED = "content_policy_violation"


class Fal:
    """The vendor; `key` as it gives them out, and `url` that of its queue."""

    name = NAME
    has_receipts = True
    models: Mapping[str, str] = {
        "flux-schnell": "fal-ai/flux/schnell",
        "flux-dev": "fal-ai/flux/dev",
        "flux-krea-dev": "fal-ai/flux/krea",
        "flux-1.1-pro": "fal-ai/flux-pro/v1.1",
        "flux-1.1-pro-ultra": "fal-ai/flux-pro/v1.1-ultra",
        "flux-kontext-dev": "fal-ai/flux-kontext/dev",
        "flux-kontext-pro": "fal-ai/flux-pro/kontext",
        "flux-kontext-max": "fal-ai/flux-pro/kontext/max",
    }
    prices = Prices(
        {
            "fal-ai/flux/schnell": 0.003, "fal-ai/flux/dev": 0.025, "fal-ai/flux/krea": 0.025,
            "fal-ai/flux-pro/v1.1": 0.04, "fal-ai/flux-pro/v1.1-ultra": 0.06, "fal-ai/flux-kontext/dev": 0.025,
            "fal-ai/flux-pro/kontext": 0.04, "fal-ai/flux-pro/kontext/max": 0.08,
        },
        per_megapixel=True,
    )  # fmt: skip

    def __init__(self, key: str, fetch: Fetch, url: str = URL) -> None:
        self.host = Host(self.name, url, {"authorization": f"Key {key}"}, fetch)

    async def send(self, wish: Wish) -> Mapping[str, str]:
        """Submit to the queue."""
        path, fields = _wanted(wish)
        answer = await self.host.send(f"/{path}", wish.key, json=fields)
        found = answer.body.get("request_id")
        if not isinstance(found, str) or not found.replace("-", "").isalnum():
            raise ProviderFailed("fal's answer has no id.", charged=True)
        return {"id": found, "app": "/".join(path.split("/")[:2])}

    async def look(self, receipt: Mapping[str, str]) -> Made | None:
        """The request's result, once its status says that there is one."""
        at = _address(receipt)
        status = await self.host.ask("GET", f"{at}/status")
        if status.status == 404:
            raise ProviderFailed("fal does not know its request any more.", charged=True)
        if status.body.get("status") != "COMPLETED":
            return None
        return _made(await self._result(at))

    async def withdraw(self, receipt: Mapping[str, str]) -> None:
        """Ask for its cancellation; what has ended stays ended."""
        await self.host.ask("PUT", f"{_address(receipt)}/cancel")

    async def _result(self, address: str) -> Answer:
        """The result with the status of its making: what fails there is an answer, and no failure of the queue."""
        return await self.host.ask("GET", address, outcome=True)


def _address(receipt: Mapping[str, str]) -> str:
    return f"/{receipt['app']}/requests/{receipt['id']}"


def _made(answer: Answer) -> Made:
    """The image of a result; raises what went wrong."""
    images, flagged = answer.body.get("images"), answer.body.get("has_nsfw_concepts")
    if answer.status == 200 and isinstance(images, list) and images and isinstance(images[0], Mapping):
        return Made(str(images[0].get("url")), nsfw=isinstance(flagged, list) and flagged[:1] == [True])
    detail = answer.body.get("detail")
    kinds = [each.get("type") for each in detail if isinstance(each, Mapping)] if isinstance(detail, list) else []
    if _REFUSED in kinds:
        raise PromptRefused(answer.message or None)
    if answer.status in (400, 422):
        raise ProviderRefused(f"fal refused it. fal says: {answer.message}")
    # A request that its server could not make is not charged.
    raise ProviderFailed(f"fal could not do it. fal says: {answer.message}", charged=answer.status < 500)


def _wanted(wish: Wish) -> tuple[str, dict[str, object]]:
    """The path of the model for this task, and its fields."""
    request, path = wish.request, wish.model
    if request.task is Task.FILL:
        raise ProviderRefused(f"{wish.model} does not repaint there.")
    picture = one_picture(wish)
    # The vendor has no WebP of most models.
    format = "jpeg" if request.format is OutputFormat.JPEG else "png"
    fields = given(prompt=request.prompt, seed=request.seed, num_images=1, output_format=format)
    if "kontext" in path:
        return _of_kontext(wish, fields)
    if "ultra" in path:
        return path, fields | {"aspect_ratio": nearest(request.width, request.height, _RATIOS)}
    if picture is not None:
        path += "/image-to-image"
        fields |= {"image_url": picture.uri} | given(strength=request.strength)
    else:
        fields["image_size"] = {"width": request.width, "height": request.height}
    return path, fields | ({} if "pro" in path else _steered(wish))


def _of_kontext(wish: Wish, fields: dict[str, object]) -> tuple[str, dict[str, object]]:
    request, path, picture = wish.request, wish.model, one_picture(wish)
    ratio = nearest(request.width, request.height, _RATIOS)
    if path.endswith("/dev"):
        if picture is None:
            raise ProviderRefused(f"{wish.model} needs an input image there.")
        return path, fields | {"image_url": picture.uri, "resolution_mode": "match_input"} | _steered(wish)
    if picture is None:
        return f"{path}/text-to-image", fields | {"aspect_ratio": ratio}
    return path, fields | {"image_url": picture.uri}


def _steered(wish: Wish) -> dict[str, object]:
    request = wish.request
    fields = given(num_inference_steps=request.steps, guidance_scale=request.guidance)
    return (
        fields if request.acceleration is Acceleration.NONE else fields | {"acceleration": request.acceleration.value}
    )
