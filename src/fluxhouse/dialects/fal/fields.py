"""fal's endpoints: which model of the catalog stands behind each, and which fields it takes within which limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from fluxhouse.catalog.parameter import Parameter
from fluxhouse.generation.request import OutputFormat

FORMATS: Mapping[str, OutputFormat] = {"jpeg": OutputFormat.JPEG, "png": OutputFormat.PNG}
PRESETS: Mapping[str, tuple[int, int]] = {
    "square_hd": (1024, 1024),
    "square": (512, 512),
    "portrait_4_3": (768, 1024),
    "portrait_16_9": (576, 1024),
    "landscape_4_3": (1024, 768),
    "landscape_16_9": (1024, 576),
}
ENHANCE = "enhance_prompt"
IMAGE_SIZE, LORAS = "image_size", "loras"  # these two may hold objects, and are read by hand
DEFAULT_SIZE = "landscape_4_3"
SHORTEST_SIDE, LONGEST_SIDE, DEFAULT_SIDE = 256, 1440, 512  # pixels of an `image_size` by hand
MATCH_INPUT = ("match_input", "auto")
_ASPECT_RATIOS = ("21:9", "16:9", "4:3", "3:2", "1:1", "2:3", "3:4", "9:16", "9:21")
_RESOLUTIONS = (*MATCH_INPUT, "1:1", "16:9", "21:9", "3:2", "2:3", "4:5", "5:4", "3:4", "4:3", "9:16", "9:21")

_NUM_IMAGES = Parameter(name="num_images", type="integer", default=1, minimum=1, maximum=4)
_FORMAT = Parameter(name="output_format", type="string", default="jpeg", enum=tuple(FORMATS))
_SHARED = (
    _NUM_IMAGES,
    Parameter(name="seed", type="integer", minimum=0, maximum=2**32 - 1),
    _FORMAT,
    Parameter(name="sync_mode", type="boolean", default=False),
)
_CHECKED = Parameter(name="enable_safety_checker", type="boolean", default=True)
_FAST = Parameter(name="acceleration", type="string", default="none", enum=("none", "regular", "high"))
_LESS_FAST = replace(_FAST, enum=("none", "regular"))
_TOLERANCE = Parameter(name="safety_tolerance", type="string", default="2", enum=tuple("123456"))
_ENHANCE = Parameter(name=ENHANCE, type="boolean", default=False)
_RATIO = Parameter(name="aspect_ratio", type="string", enum=_ASPECT_RATIOS)
_RESOLUTION = Parameter(name="resolution_mode", type="string", default="match_input", enum=_RESOLUTIONS)
_IMAGE = Parameter(name="image_url", type="string", required=True)
_IMAGES = Parameter(name="image_urls", type="array", item_type="string", required=True, max_items=4)
_MASK = Parameter(name="mask_url", type="string", required=True)
_VISUAL_PROMPT = (
    replace(_IMAGE, required=False, supported=False),
    Parameter(name="image_prompt_strength", type="number", default=0.1, supported=False),
    Parameter(name="raw", type="boolean", default=False, supported=False),
)
_SIZE = Parameter(name=IMAGE_SIZE, type="string", default=DEFAULT_SIZE, enum=tuple(PRESETS))
_SIZE_OF_PICTURE = replace(_SIZE, default=None)  # without one the picture decides
_LORAS = Parameter(name=LORAS, type="array")


def _steps(default: int, maximum: int = 50) -> Parameter:
    return Parameter(name="num_inference_steps", type="integer", default=default, minimum=1, maximum=maximum)


def _guidance(default: float) -> Parameter:
    return Parameter(name="guidance_scale", type="number", default=default, minimum=1, maximum=20)


def _strength(default: float) -> Parameter:
    return Parameter(name="strength", type="number", default=default, minimum=0, maximum=1)


_OPEN = (_guidance(3.5), _CHECKED, *_SHARED)
_DEV = (_SIZE, _steps(28), _FAST, *_OPEN)
_VARY = (_IMAGE, _strength(0.95), _steps(40), _FAST, *_OPEN)
_LORA = (_LORAS, _SIZE, _steps(28), _LESS_FAST, *_OPEN)
_VARY_LORA = (_LORAS, _IMAGE, _strength(0.85), _SIZE_OF_PICTURE, _steps(28), _LESS_FAST, *_OPEN)
_PRO = (_TOLERANCE, _ENHANCE, *_SHARED)
_KONTEXT = (_RATIO, _guidance(3.5), *_PRO)
_KONTEXT_WORDS = (replace(_RATIO, default="1:1"), _guidance(3.5), *_PRO)
_KONTEXT_DEV = (_IMAGE, _RESOLUTION, _guidance(2.5), _CHECKED, _FAST, *_SHARED)
_PNG = replace(_FORMAT, default="png")
_KONTEXT_LORA = (_LORAS, *(_PNG if known is _FORMAT else known for known in _KONTEXT_DEV), _steps(30))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One of fal's endpoints, the catalog's model behind it, and its fields beside `prompt`.

    One that is not `guided` takes a guidance and makes nothing of it, as the vendor does: its model reads none.
    """

    id: str
    model: str
    fields: tuple[Parameter, ...]
    guided: bool = True


_ENDPOINTS = (
    *(
        Endpoint(f"fal-ai/{family}/{name}{suffix}", f"flux-{model}", fields)
        for family in ("flux", "flux-1")
        for name, model in (("dev", "dev"), ("krea", "krea-dev"))
        for suffix, fields in (("", _DEV), ("/image-to-image", _VARY))
    ),
    *(
        Endpoint(f"fal-ai/{family}/schnell", "flux-schnell", (_SIZE, _steps(4, 4), _FAST, *_OPEN), guided=False)
        for family in ("flux", "flux-1")
    ),
    Endpoint("fal-ai/flux-lora", "flux-dev-multi-lora", _LORA),
    Endpoint("fal-ai/flux-lora/image-to-image", "flux-dev-multi-lora", _VARY_LORA),
    Endpoint("fal-ai/flux-krea-lora", "flux-krea-dev", _LORA),
    Endpoint("fal-ai/flux-krea-lora/image-to-image", "flux-krea-dev", _VARY_LORA),
    Endpoint("fal-ai/flux-pro/new", "flux-pro", (_SIZE, _steps(28), _guidance(3.5), *_PRO)),
    Endpoint("fal-ai/flux-pro/v1.1", "flux-1.1-pro", (_SIZE, *_PRO)),
    Endpoint(
        "fal-ai/flux-pro/v1.1-ultra", "flux-1.1-pro-ultra", (replace(_RATIO, default="16:9"), *_VISUAL_PROMPT, *_PRO)
    ),
    Endpoint("fal-ai/flux-pro/v1/fill", "flux-fill-dev", (_IMAGE, _MASK, *_PRO)),
    *(
        Endpoint(f"fal-ai/flux-pro/kontext{tier}{suffix}", model, fields)
        for tier, model in (("", "flux-kontext-pro"), ("/max", "flux-kontext-max"))
        for suffix, fields in (
            ("", (_IMAGE, *_KONTEXT)),
            ("/multi", (_IMAGES, *_KONTEXT)),
            ("/text-to-image", _KONTEXT_WORDS),
        )
    ),
    Endpoint("fal-ai/flux-kontext/dev", "flux-kontext-dev", (*_KONTEXT_DEV, _ENHANCE, _steps(28))),
    Endpoint("fal-ai/flux-kontext-lora", "flux-kontext-dev", _KONTEXT_LORA),
    Endpoint("fal-ai/flux-kontext-lora/text-to-image", "flux-kontext-dev", _LORA),
)
ENDPOINTS: Mapping[str, Endpoint] = {endpoint.id: endpoint for endpoint in _ENDPOINTS}
EVERY_FIELD = frozenset({"prompt", *(known.name for endpoint in _ENDPOINTS for known in endpoint.fields)})
"""Of these, one that another endpoint takes is passed over, as the vendor does."""


def names() -> Mapping[str, str]:
    """By the catalog's id what the vendor calls the endpoint that makes a model's pictures from words in any size."""
    found: dict[str, str] = {}
    for endpoint in _ENDPOINTS:
        if _SIZE in endpoint.fields:
            found.setdefault(endpoint.model, endpoint.id)
    return found
