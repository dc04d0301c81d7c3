"""Inputs in Replicate's words become requests in ours, or are refused in Replicate's words."""

import pytest

from fluxhouse.catalog.catalog import Catalog
from fluxhouse.dialects.replicate.hosted import HostedModels
from fluxhouse.generation.errors import InvalidParameter, NotFound, RequestRejected, UnsupportedParameter
from fluxhouse.generation.image import InputImage
from fluxhouse.generation.request import Acceleration, OutputFormat, Task

CATALOG = Catalog.load()
HOSTED = HostedModels(CATALOG)
PICTURE = "https://pictures.example.com/a.png"
NEEDED = {"flux-fill-dev": {"image": PICTURE, "mask": PICTURE}}


def asked(name, **sent):
    owner = "lucataco" if name == "flux-dev-multi-lora" else "black-forest-labs"
    whole = {"prompt": "a fox"} | NEEDED.get(name, {}) | sent
    return HOSTED.named(owner, name).read(whole, CATALOG, lambda value: value)


def request(name, **sent):
    read = asked(name, **sent)
    return read.request([InputImage("inputs/a.png", 640, 480) for _ in read.parsed.input_values], 99)


@pytest.mark.parametrize(
    ("name", "format", "guidance", "acceleration"),
    [
        ("flux-schnell", "webp", None, "high"),
        ("flux-dev", "webp", 3, "high"),
        ("flux-krea-dev", "webp", 3, "high"),
        ("flux-schnell-lora", "webp", None, "high"),
        ("flux-dev-lora", "webp", 3, "high"),
        ("flux-dev-multi-lora", "webp", 3.5, "none"),
        ("flux-fill-dev", "webp", 30, "none"),
        ("flux-kontext-dev", "webp", 2.5, "high"),
        ("flux-pro", "webp", 3, "none"),
        ("flux-1.1-pro", "webp", None, "none"),
        ("flux-1.1-pro-ultra", "jpg", None, "none"),
        ("flux-kontext-pro", "png", None, "none"),
        ("flux-kontext-max", "png", None, "none"),
    ],
)
def test_the_printed_defaults_hold(name, format, guidance, acceleration):
    """Those of the vendor's pages; steps are the serving backend's own, which the real models share with the vendor."""
    made = request(name)
    assert (made.format, made.quality, made.count, made.seed, made.steps) == (OutputFormat(format), 80, 1, 99, None)
    assert (made.guidance, made.acceleration) == (guidance, Acceleration(acceleration))


def test_every_field_arrives():
    """Under the catalog's name."""
    made = request(
        "flux-dev",
        aspect_ratio="16:9",
        num_outputs=3,
        num_inference_steps=12,
        guidance=4.5,
        seed=7,
        output_format="png",
        output_quality=55,
        megapixels="0.25",
        go_fast=False,
        disable_safety_checker=True,
    )
    assert (made.width, made.height, made.count, made.steps, made.guidance) == (672, 384, 3, 12, 4.5)
    assert (made.seed, made.format, made.quality, made.acceleration) == (7, "png", 55, "none")
    custom = request("flux-pro", aspect_ratio="custom", width=300, height=512, steps=9, safety_tolerance=6)
    assert (custom.width, custom.height, custom.steps) == (304, 512, 9)


def test_a_picture_to_start_from_gives_the_shape():
    """As with the vendor, whatever the ratio says; and exactness is not traded for speed then."""
    made = request("flux-dev", image=PICTURE, prompt_strength=0.5, aspect_ratio="16:9", go_fast=True)
    assert (made.width, made.height, made.task, made.strength) == (1184, 880, Task.VARY, 0.5)
    assert made.acceleration is Acceleration.NONE


@pytest.mark.parametrize(("ratio", "size"), [("match_input_image", (1184, 880)), ("16:9", (1344, 768))])
def test_kontext_matches_its_input_unless_told_otherwise(ratio, size):
    """By the vendor's word for it, which is the default."""
    made = request("flux-kontext-pro", input_image=PICTURE, aspect_ratio=ratio, output_format="jpg")
    assert (made.width, made.height, made.task, made.format) == (*size, Task.EDIT, "jpg")


def test_a_fill_repaints_its_picture():
    """The picture and its mask, in the picture's shape."""
    read = asked("flux-fill-dev", megapixels="match_input")
    assert [field for field, _ in read.parsed.input_values] == ["input.image", "input.mask"]
    assert request("flux-fill-dev", megapixels="match_input").task is Task.FILL


@pytest.mark.parametrize(
    ("name", "sent", "field"),
    [
        ("flux-dev", {"prompt": None}, "prompt"),
        ("flux-dev", {"prompt": " "}, "prompt"),
        ("flux-dev", {"prompt": 7}, "prompt"),
        ("flux-dev", {"num_outputs": 5}, "num_outputs"),
        ("flux-dev", {"num_outputs": 1.5}, "num_outputs"),
        ("flux-dev", {"guidance": 11}, "guidance"),
        ("flux-dev", {"aspect_ratio": "7:5"}, "aspect_ratio"),
        ("flux-dev", {"megapixels": 1}, "megapixels"),
        ("flux-dev", {"output_format": "gif"}, "output_format"),
        ("flux-dev", {"output_quality": 101}, "output_quality"),
        ("flux-dev", {"go_fast": "yes"}, "go_fast"),
        ("flux-dev", {"image": "ftp://a/b.png"}, "image"),
        ("flux-dev", {"prompt_strength": 0.5}, "prompt_strength"),
        ("flux-dev", {"guidance_scale": 3}, "guidance_scale"),
        ("flux-dev", {"size": "512x512"}, "size"),
        ("flux-schnell", {"num_inference_steps": 5}, "num_inference_steps"),
        ("flux-schnell", {"image": PICTURE}, "image"),
        ("flux-kontext-pro", {"num_outputs": 2}, "num_outputs"),
        ("flux-kontext-pro", {"aspect_ratio": "2:1"}, "aspect_ratio"),
        ("flux-pro", {"width": 512}, "height"),
        ("flux-pro", {"aspect_ratio": "custom"}, "width"),
        ("flux-fill-dev", {"mask": None}, "mask"),
        ("flux-dev-lora", {"lora_weights": "not a place"}, "lora_weights"),
        ("flux-dev-lora", {"extra_lora": "not a place"}, "extra_lora"),
        ("flux-dev-lora", {"extra_lora": "a/b", "extra_lora_scale": 4}, "extra_lora_scale"),
        ("flux-dev-lora", {"lora_scale": 2}, "lora_scale"),
        ("flux-dev", {"lora_weights": "a/b"}, "lora_weights"),
    ],
)
def test_what_is_not_allowed_is_refused_by_the_vendors_name(name, sent, field):
    """The message says what is allowed, and no name of the catalog's."""
    with pytest.raises(InvalidParameter) as caught:
        asked(name, **sent)
    assert caught.value.field == f"input.{field}"
    assert f"`{field}`" in caught.value.message
    assert "input_image" not in caught.value.message or "kontext" in name


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("flux-1.1-pro", "image_prompt", PICTURE),
        ("flux-1.1-pro-ultra", "image_prompt_strength", 0.5),
        ("flux-1.1-pro-ultra", "raw", True),
        ("flux-1.1-pro", "prompt_upsampling", True),
        ("flux-pro", "interval", 3),
        ("flux-dev-lora", "hf_api_token", "hf_x"),
        ("flux-dev-lora", "civitai_api_token", "x"),
    ],
)
def test_what_cannot_be_done_here_is_refused(name, field, value):
    """Never taken and passed over; its default is no demand."""
    with pytest.raises(RequestRejected) as caught:
        asked(name, **{field: value})
    assert (type(caught.value), caught.value.field) == (UnsupportedParameter, f"input.{field}")
    default = next(p.default for p in HOSTED.named("fluxhouse", name).parameters if p.name == field)
    assert asked(name, **{field: default})


def test_loras_are_named_in_the_vendors_ways():
    """Their places with or without a host; a second one that is the first again is passed over, as with the vendor."""
    sent = {"lora_weights": "huggingface.co/owner/name", "lora_scale": 0.5, "extra_lora_scale": 1.5}
    both = asked("flux-dev-lora", extra_lora="civitai.com/models/42/a-name", **sent).parsed.loras
    assert [(lora.field, lora.reference, lora.scale) for lora in both] == [
        ("input.lora_weights", "owner/name", 0.5),
        ("input.extra_lora", "civitai:42", 1.5),
    ]
    assert len(asked("flux-dev-lora", extra_lora=sent["lora_weights"], **sent).parsed.loras) == 1
    several = asked("flux-dev-multi-lora", hf_loras=["owner/name", "huggingface.co/a/b"], lora_scales=[0.5, 2])
    assert [(lora.reference, lora.scale) for lora in several.parsed.loras] == [("owner/name", 0.5), ("a/b", 2)]


def test_null_is_no_value():
    """Of a field that the model lacks, too: clients send what they have for every model."""
    assert request("flux-schnell", image=None, seed=None).seed == 99


def test_a_model_is_known_by_name_alias_and_version():
    """The version is the same in every installation."""
    dev = HOSTED.named("black-forest-labs", "flux-dev")
    assert HOSTED.named("fluxhouse", "flux-dev") is dev
    assert dev.version == "6fb1e8a5f8e8914645091de613ba142747a0b5222e1904ba01198b48b8cdeac3"
    references = (dev.full_name, "fluxhouse/flux-dev", dev.version, f"{dev.full_name}:{dev.version}")
    assert [HOSTED.referred(reference) for reference in references] == [dev] * 4
    others = ("", ":", "flux-dev", "a/b", "a/b:c", "0" * 64, f"{dev.full_name}:{'0' * 64}", f"a/b:{dev.version}")
    assert [HOSTED.referred(reference) for reference in others] == [None] * 8
    with pytest.raises(NotFound):
        HOSTED.named("somebody", "flux-dev")
    assert len({hosted.version for hosted in HOSTED.all}) == len(HOSTED.all) == 13
