"""The two submit operations: every parameter does what it says or is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from fluxhouse.catalog.catalog import Catalog
from fluxhouse.dialects.pixazo.operations import IMAGE_SIZES, Operation, operations
from fluxhouse.generation.errors import InvalidParameter, RequestRejected, UnsupportedParameter
from fluxhouse.generation.image import InputImage
from fluxhouse.generation.request import Acceleration, GenerationRequest, OutputFormat, Task

GENERATE, VARY = operations(Catalog.load().model("flux-dev"))
PLAIN: dict[str, Any] = {"prompt": "a fox"}
FROM_URL: dict[str, Any] = {"prompt": "a fox", "image_url": "https://example.com/fox.png"}


def made(body: dict[str, Any]) -> GenerationRequest:
    return GENERATE.parse(body).request((), seed=7)


def varied(body: dict[str, Any], width: int = 1024, height: int = 768) -> GenerationRequest:
    return VARY.parse(body).request([InputImage("inputs/a.png", width, height)], seed=7)


def refused(operation: Operation, body: dict[str, Any]) -> RequestRejected:
    with pytest.raises(RequestRejected) as caught:
        operation.parse(body)
    return caught.value


def test_a_prompt_alone_is_complete() -> None:
    """Every default is the contract's; where it prints none, the serving backend's own shall hold."""
    assert made(PLAIN) == GenerationRequest(
        model="flux-dev", prompt="a fox", width=1024, height=768, seed=7, format=OutputFormat.JPEG
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"image_size": "square"}, {"width": 512, "height": 512}),
        ({"num_inference_steps": 50}, {"steps": 50}),
        ({"num_inference_steps": 1}, {"steps": 1}),
        ({"guidance_scale": 20}, {"guidance": 20.0}),
        ({"guidance_scale": 1.5}, {"guidance": 1.5}),
        ({"num_images": 4}, {"count": 4}),
        ({"enable_safety_checker": False}, {"tolerance": None}),
        ({"output_format": "png"}, {"format": OutputFormat.PNG}),
        ({"output_format": "jpeg"}, {"format": OutputFormat.JPEG}),
        ({"acceleration": "regular"}, {"acceleration": Acceleration.REGULAR}),
        ({"acceleration": "high"}, {"acceleration": Acceleration.HIGH}),
        ({"seed": 0}, {"seed": 0}),
        ({"seed": 4294967295}, {"seed": 4294967295}),
        ({"seed": -1}, {"seed": 7}),
        ({"sync_mode": False}, {}),
        ({"seed": None, "image_size": None, "num_images": None, "sync_mode": None}, {}),
    ],
)
def test_each_parameter_does_what_it_says(change: dict[str, Any], expected: dict[str, Any]) -> None:
    """A parameter changes its own part of the request and nothing else."""
    plain, changed = made(PLAIN).to_json(), made(PLAIN | change).to_json()
    assert changed == plain | expected


@pytest.mark.parametrize(("name", "pixels"), IMAGE_SIZES.items())
def test_each_preset_has_its_pixels(name: str, pixels: tuple[int, int]) -> None:
    """A preset's name decides width and height."""
    request = made(PLAIN | {"image_size": name})
    assert (request.width, request.height) == pixels


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", None),
        ("prompt", "  "),
        ("prompt", 7),
        ("image_size", "landscape"),
        ("image_size", {"width": 512, "height": 512}),
        ("num_inference_steps", 0),
        ("num_inference_steps", 51),
        ("num_inference_steps", 2.5),
        ("num_inference_steps", True),
        ("guidance_scale", 0.5),
        ("guidance_scale", 20.5),
        ("guidance_scale", "3"),
        ("num_images", 0),
        ("num_images", 5),
        ("enable_safety_checker", "yes"),
        ("output_format", "webp"),
        ("output_format", "jpg"),
        ("acceleration", "fast"),
        ("seed", -2),
        ("seed", 4294967296),
        ("sync_mode", "no"),
    ],
)
def test_what_is_not_allowed_is_refused_by_name(field: str, value: object) -> None:
    """A value outside a parameter's type or range names its field."""
    error = refused(GENERATE, PLAIN | {field: value})
    assert isinstance(error, InvalidParameter)
    assert error.field == field
    assert field in error.message


def test_an_unknown_field_is_refused_with_what_is_allowed() -> None:
    """A field that the operation lacks is never ignored."""
    error = refused(GENERATE, PLAIN | {"negative_prompt": "cats"})
    assert error.field == "negative_prompt"
    assert "num_inference_steps" in error.message


def test_a_hostile_field_name_can_be_sent_back() -> None:
    """A lone surrogate in a field's name does not reach the answer, nor does a name without end."""
    error = refused(GENERATE, PLAIN | {"\ud800" + "x" * 5000: 1})
    assert len(f"{error.field}".encode()) <= 100


def test_waiting_for_the_bytes_is_refused_by_name() -> None:
    """What this installation cannot do is said, not ignored."""
    error = refused(GENERATE, PLAIN | {"sync_mode": True})
    assert isinstance(error, UnsupportedParameter)
    assert error.field == "sync_mode"


def test_a_picture_is_varied() -> None:
    """`imageToImage` starts from the given picture, in its ratio at about a megapixel, by default at strength 0.95."""
    request = varied(FROM_URL, 2000, 1000)
    assert (request.task, request.strength, request.inputs) == (Task.VARY, 0.95, ("inputs/a.png",))
    assert (request.width, request.height) == (1456, 720)
    assert VARY.parse(FROM_URL).input_values == (("image_url", "https://example.com/fox.png"),)


def test_strength_is_passed_on() -> None:
    """The caller decides how far the picture may leave the one it starts from."""
    assert varied(FROM_URL | {"strength": 0.4}).strength == 0.4


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("image_url", None),
        ("image_url", "fox.png"),
        ("prompt", None),
        ("strength", 0),
        ("strength", 1.1),
        ("image_size", "square"),
    ],
)
def test_image_to_image_has_its_own_table(field: str, value: object) -> None:
    """The picture is required there, and its ratio leaves no room for `image_size`."""
    assert refused(VARY, FROM_URL | {field: value}).field == field


@pytest.mark.parametrize("field", ["image_url", "strength"])
def test_text_to_image_takes_no_picture(field: str) -> None:
    """What belongs to the other operation is refused by name."""
    assert refused(GENERATE, PLAIN | {field: FROM_URL.get(field, 0.5)}).field == field
