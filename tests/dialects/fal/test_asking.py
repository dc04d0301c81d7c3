"""What a body of fal's becomes: sizes, defaults and LoRAs, endpoint by endpoint."""

from __future__ import annotations

import pytest

from fluxhouse.dialects.fal.asking import Asking
from fluxhouse.dialects.fal.fields import ENDPOINTS, PRESETS
from fluxhouse.dialects.fal.wishes import Wishes
from fluxhouse.generation.errors import InvalidParameter, RequestRejected, UnsupportedParameter
from fluxhouse.generation.image import InputImage
from fluxhouse.generation.request import Acceleration, OutputFormat, Task

PICTURE = "https://example.com/a.png"
NOTHING = Wishes(None, None, 1.0)


@pytest.fixture(scope="module")
def read(live):
    """What a body wants of an endpoint, and the request it becomes with pictures of 640 x 480."""

    def wanted(endpoint, wished=NOTHING, **body):
        found = Asking(live.platform.door, ENDPOINTS[f"fal-ai/{endpoint}"]).wanted({"prompt": "a boat"} | body, wished)
        return found, found.make([InputImage("inputs/a.png", 640, 480) for _ in found.input_values], 5)

    return wanted


def least(endpoint):
    """The pictures without which an endpoint makes nothing."""
    required = {field.name for field in endpoint.fields if field.required}
    return {name: [PICTURE] if name == "image_urls" else PICTURE for name in required}


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=lambda endpoint: endpoint.id)
def test_every_endpoint_takes_its_defaults(read, endpoint):
    """And makes a request of what its name says: a picture from words, or from pictures."""
    wanted, request = read(endpoint.id.removeprefix("fal-ai/"), **least(endpoint))
    assert (wanted.count, request.count, request.seed) == (1, 1, 5)
    assert (request.task is Task.GENERATE) == (not least(endpoint))
    assert wanted.terms.remarks == {"endpoint": endpoint.id, "sync_mode": False}
    assert request.format is (OutputFormat.PNG if endpoint.id == "fal-ai/flux-kontext-lora" else OutputFormat.JPEG)


@pytest.mark.parametrize(("name", "size"), PRESETS.items())
def test_a_named_size_is_exact(read, name, size):
    """In the vendor's pixels."""
    request = read("flux/dev", image_size=name)[1]
    assert (request.width, request.height) == size


@pytest.mark.parametrize(
    ("endpoint", "body", "size"),
    [
        ("flux/dev", {}, (1024, 768)),
        ("flux/dev", {"image_size": {"width": 300}}, (304, 512)),
        ("flux/dev", {"image_size": {"width": 1440, "height": 256.0}}, (1440, 256)),
        ("flux/dev/image-to-image", {"image_url": PICTURE}, (1184, 880)),
        ("flux-lora/image-to-image", {"image_url": PICTURE, "image_size": "square"}, (512, 512)),
        ("flux-pro/kontext", {"image_url": PICTURE, "aspect_ratio": "16:9"}, (1344, 768)),
        ("flux-pro/kontext", {"image_url": PICTURE, "aspect_ratio": "4:3"}, (1184, 880)),
        ("flux-pro/kontext/text-to-image", {}, (1024, 1024)),
        ("flux-pro/v1.1-ultra", {}, (2688, 1536)),
        ("flux-kontext/dev", {"image_url": PICTURE, "resolution_mode": "auto"}, (1184, 880)),
        ("flux-kontext/dev", {"image_url": PICTURE, "resolution_mode": "21:9"}, (1536, 640)),
    ],
)
def test_sizes(read, endpoint, body, size):
    """By name, by hand on multiples of 16, by ratio, or by the picture's shape."""
    request = read(endpoint, **body)[1]
    assert (request.width, request.height) == size


def test_fields_in_our_words(read):
    """Steps, guidance, strength, acceleration and the share of who has time."""
    body = {"num_inference_steps": 9, "guidance_scale": 15, "strength": 0.5, "acceleration": "high", "num_images": 3}
    wanted, request = read("flux/dev/image-to-image", Wishes(None, None, 0.5), image_url=PICTURE, seed=7, **body)
    assert (request.steps, request.guidance, request.strength) == (9, 15.0, 0.5)
    assert (request.acceleration, request.share, request.seed, wanted.count) == (Acceleration.HIGH, 0.5, 7, 3)


def test_a_model_without_guidance_gets_none(read):
    """As at the vendor, whose every client sends one."""
    assert read("flux/schnell", guidance_scale=3.5)[1].guidance is None


def test_loras_are_asked_for_by_their_path(read):
    """Of any endpoint that has them, at 1 where no scale is given."""
    loras = [{"path": "owner/name", "scale": 0.5}, {"path": "https://example.com/a.safetensors", "force": False}]
    for endpoint, pictures in (("flux-lora", {}), ("flux-kontext-lora", {"image_url": PICTURE})):
        asked = read(endpoint, loras=loras, **pictures)[0].loras
        assert [(lora.field, lora.reference, lora.scale) for lora in asked] == [
            ("loras", "owner/name", 0.5),
            ("loras", "https://example.com/a.safetensors", 1.0),
        ]


def test_another_endpoints_field_is_passed_over(read):
    """As at the vendor: clients send every model the same."""
    assert read("flux/dev", aspect_ratio="1:1", safety_tolerance=9)[1].width == 1024


@pytest.mark.parametrize(
    ("endpoint", "body", "field"),
    [
        ("flux/dev", {"promt": "a"}, "promt"),
        ("flux/dev", {"prompt": " "}, "prompt"),
        ("flux/dev", {"image_size": "big"}, "image_size"),
        ("flux/dev", {"image_size": {"depth": 1}}, "image_size.depth"),
        ("flux/dev", {"image_size": {"width": "300"}}, "image_size.width"),
        ("flux/dev", {"image_size": [300, 300]}, "image_size"),
        ("flux/dev", {"image_size": {"height": 1441}}, "image_size.height"),
        ("flux/dev", {"output_format": "webp"}, "output_format"),
        ("flux/dev", {"guidance_scale": 0.5}, "guidance_scale"),
        ("flux/dev", {"seed": -1}, "seed"),
        ("flux/dev", {"sync_mode": "yes"}, "sync_mode"),
        ("flux/schnell", {"num_inference_steps": 5}, "num_inference_steps"),
        ("flux/dev/image-to-image", {}, "image_url"),
        ("flux-lora", {"acceleration": "high"}, "acceleration"),
        ("flux-lora", {"loras": "owner/name"}, "loras"),
        ("flux-lora", {"loras": ["owner/name"]}, "loras"),
        ("flux-lora", {"loras": [{}]}, "loras"),
        ("flux-lora", {"loras": [{"path": "owner/name", "weight": 1}]}, "loras.weight"),
        ("flux-lora", {"loras": [{"path": "owner/name", "scale": 4}]}, "loras"),
        ("flux-lora", {"loras": [{"path": "owner/name"}] * 9}, "loras"),
        ("flux-lora", {"loras": [{"path": "no name"}]}, "loras"),
        ("flux-pro/kontext/multi", {"image_urls": []}, "image_urls"),
        ("flux-pro/kontext/multi", {"image_urls": [PICTURE] * 5}, "image_urls"),
        ("flux-pro/kontext", {"image_url": PICTURE, "aspect_ratio": "5:4"}, "aspect_ratio"),
        ("flux-pro/v1.1", {"safety_tolerance": 2}, "safety_tolerance"),
        ("flux-pro/v1/fill", {"image_url": PICTURE}, "mask_url"),
    ],
)
def test_what_is_not_allowed_is_refused_by_name(read, endpoint, body, field):
    """The words say the vendor's name too."""
    with pytest.raises(InvalidParameter) as refused:
        read(endpoint, **body)
    assert refused.value.field == field
    assert field.rpartition(".")[2] in refused.value.message


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("flux-lora", {"loras": [{"path": "owner/name", "force": True}]}),
        ("flux-pro/v1.1", {"enhance_prompt": True}),
        ("flux-kontext/dev", {"image_url": PICTURE, "enhance_prompt": True}),
        ("flux-pro/v1.1-ultra", {"raw": True}),
        ("flux-pro/v1.1-ultra", {"image_url": PICTURE}),
    ],
)
def test_what_cannot_be_done_here_is_refused(read, endpoint, body):
    """Rather than passed over."""
    with pytest.raises(UnsupportedParameter):
        read(endpoint, **body)


def test_half_a_character_in_a_name_is_told(read):
    """An answer is UTF-8 in any case."""
    with pytest.raises(RequestRejected, match=r"`\?` is not a field"):
        read("flux/dev", **{"\ud800": 1})
