"""From body to request: every parameter of the family entrypoint, and the rules across parameters."""

from dataclasses import asdict, replace

import pytest

from fluxhouse.catalog.catalog import Catalog
from fluxhouse.catalog.parsing import parse
from fluxhouse.generation.errors import InvalidParameter, RequestRejected, UnsupportedParameter
from fluxhouse.generation.image import InputImage
from fluxhouse.generation.request import Task

CATALOG = Catalog.load()
URL = "https://example.com/cat.png"
PICTURE = InputImage(key="inputs/cat", width=1600, height=900)
MASKED = {"image": URL, "mask": "file_mask"}


def request(body, model="flux", inputs=(), seed=7):
    """The request that a body and a prompt make."""
    return CATALOG.parse(model, {"prompt": "a cat"} | body).request(inputs, seed)


def refusal(body, model="flux", kind=InvalidParameter):
    """The error that a body and a prompt make."""
    with pytest.raises(kind) as caught:
        CATALOG.parse(model, {"prompt": "a cat"} | body)
    return caught.value


CHANGES = [
    ({"prompt": "a dog"}, {"prompt": "a dog"}),
    ({"model": "flux-schnell"}, {"model": "flux-schnell"}),
    ({"aspect_ratio": "16:9"}, {"width": 1344, "height": 768}),
    ({"num_outputs": 4}, {"count": 4}),
    ({"seed": 0}, {"seed": 0}),
    ({"output_format": "jpg"}, {"format": "jpg"}),
    ({"output_quality": 30}, {"quality": 30}),
    ({"guidance_scale": 2}, {"guidance": 2.0}),
    ({"num_inference_steps": 12}, {"steps": 12}),
    ({"prompt_upsampling": False}, {}),
    ({"safety_tolerance": 0}, {"tolerance": 0}),
    ({"width": 300, "height": 512}, {"width": 304, "height": 512}),
    ({"width": 512, "height": 1440.0, "aspect_ratio": "custom"}, {"width": 512, "height": 1440}),
    ({"megapixels": "0.25"}, {"width": 512, "height": 512}),
    ({"lora_scale": 1.0}, {}),
    ({"hf_lora": "owner/name"}, {}),
    ({"hf_loras": ["owner/name"], "lora_scales": [0.5]}, {}),
    ({"lora_weights": "owner/name"}, {}),
    ({"customLoras": ["lora_1"]}, {}),
    ({"acceleration": "regular"}, {"acceleration": "regular"}),
    ({"negative_prompt": "", "true_cfg_scale": 2}, {"negative_prompt": "", "true_guidance": 2.0}),
]
REFUSED = [
    {"prompt_upsampling": True},
]


@pytest.mark.parametrize(("body", "changes"), CHANGES)
def test_each_parameter_changes_the_request_as_documented(body, changes):
    """A given value changes its part of the request and nothing else."""
    assert asdict(request(body)) == asdict(request({})) | changes


def test_what_this_installation_is_set_up_for_is_accepted():
    """For models that have the parameter, in their schema too; a catalog that is not asked to is as before."""
    able = Catalog.load(able=["prompt_upsampling"])
    body = {"prompt": "a cat", "prompt_upsampling": True}
    assert able.parse("flux-dev", body).request([], 1).upsample
    assert not able.parse("flux-dev", {"prompt": "a cat"}).request([], 1).upsample
    assert able.model("flux-dev").schema()["properties"]["prompt_upsampling"]["type"] == ["boolean", "null"]
    with pytest.raises(InvalidParameter):
        able.parse("flux-kontext-pro", body)
    with pytest.raises(UnsupportedParameter):
        Catalog.load().parse("flux-dev", body)


@pytest.mark.parametrize("body", REFUSED)
def test_what_cannot_be_done_yet_is_refused_by_name(body):
    """Never silence: code unsupported_parameter with the field."""
    error = refusal(body, kind=UnsupportedParameter)
    assert error.code == "unsupported_parameter"
    assert [error.field] == list(body)


def test_every_parameter_of_the_contract_was_tried():
    """The two lists above cover the twenty published parameters."""
    tried = {name for body, _ in CHANGES for name in body} | {name for body in REFUSED for name in body}
    assert {parameter.name for parameter in CATALOG.model("flux").parameters[:20]} <= tried


def test_without_a_model_the_entrypoint_serves_flux_dev():
    """The page's own sample leaves `model` out."""
    parsed = CATALOG.parse("flux", {"prompt": "a cat", "aspect_ratio": "1:1"})
    assert (parsed.model.id, parsed.serving.id, parsed.price_micro, parsed.count) == ("flux", "flux-dev", 10**6, 1)


def test_the_selected_member_decides_the_price():
    """A job costs what the member costs."""
    assert CATALOG.parse("flux", {"prompt": "a", "model": "flux-kontext-max"}).price_micro == 2_000_000


@pytest.mark.parametrize("model", [model for model in CATALOG.models if model.available], ids=lambda model: model.id)
def test_a_client_that_sends_every_default_is_served(model):
    """Documented defaults are accepted by every model and change nothing."""
    defaults = {
        entry.name: entry.default for entry in (*model.parameters, *model.foreign) if entry.name not in ("prompt",)
    }
    needed = MASKED if model.input_task is Task.FILL else {}
    inputs = (PICTURE, PICTURE) if needed else ()
    asked = request(defaults | needed, model.id, inputs)
    assert asked == request({"aspect_ratio": defaults["aspect_ratio"]} | needed, model.id, inputs)


@pytest.mark.parametrize(
    ("model", "body", "field"),
    [
        ("flux-kontext-pro", {"output_format": "jpg"}, "output_format"),
        ("flux-kontext-pro", {"guidance_scale": 3}, "guidance_scale"),
        ("flux-kontext-pro", {"aspect_ratio": "4:3"}, "aspect_ratio"),
        ("flux-kontext-pro", {"model": "flux-dev"}, "model"),
        ("flux", {"model": "flux-kontext-pro", "megapixels": "1"}, "megapixels"),
        ("flux", {"model": "flux-schnell", "guidance_scale": 3}, "guidance_scale"),
        ("flux", {"model": "flux-schnell", "num_inference_steps": 5}, "num_inference_steps"),
        ("flux", {"model": "flux-fill-dev"}, "model"),
        ("flux", {"raw": True}, "raw"),
        ("flux-dev", {"colour": "red"}, "colour"),
        ("flux-dev", {"prompt": " \u2003\x1c\x85\n"}, "prompt"),
        ("flux-dev", {"prompt": "a\x00b"}, "prompt"),
        ("flux-dev", {"prompt": None}, "prompt"),
        ("flux-dev", {"prompt": "a" * 10_001}, "prompt"),
        ("flux-dev", {"seed": 2**32}, "seed"),
        ("flux-dev", {"input_image": "cat.png"}, "input_image"),
        ("flux-dev", {"input_images": [URL]}, "input_images"),
        ("flux-kontext-dev", {"input_images": [URL, "cat.png"]}, "input_images"),
        ("flux-kontext-dev", {"input_images": [URL] * 5}, "input_images"),
        ("flux-kontext-pro", {"acceleration": "high"}, "acceleration"),
        ("flux-schnell", {"negative_prompt": "fog", "true_cfg_scale": 2}, "negative_prompt"),
        ("flux-dev", {"acceleration": "very"}, "acceleration"),
    ],
)
def test_what_a_member_does_not_know_is_refused_by_name(model, body, field):
    """Unknown parameters, values out of a member's range and foreign keys name the field."""
    assert refusal(body, model).field == field


def test_an_unknown_key_is_told_what_is_allowed():
    """The refusal lists what the model takes, and survives a key that UTF-8 cannot hold."""
    assert "prompt, model, aspect_ratio, num_outputs, seed" in refusal({"size": 1}, "flux-kontext-pro").message
    refusal({"\ud800": 1}).message.encode()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"width": 512}, "height"),
        ({"height": 512}, "width"),
        ({"aspect_ratio": "custom"}, "width"),
        ({"width": 512, "height": 512, "aspect_ratio": "1:1"}, "aspect_ratio"),
        ({"width": 512, "height": 512, "megapixels": "0.25"}, "megapixels"),
        ({"width": 255, "height": 512}, "width"),
        ({"prompt_strength": 0.5}, "prompt_strength"),
        ({"input_image": URL, "image_url": URL + "?2"}, "image_url"),
        ({"model": "flux-kontext-dev", "input_images": [URL], "image_url": URL}, "input_images"),
        ({"negative_prompt": "fog"}, "negative_prompt"),
        ({"negative_prompt": "fog", "true_cfg_scale": 1}, "negative_prompt"),
        ({"true_cfg_scale": 2.5}, "true_cfg_scale"),
    ],
)
def test_parameters_that_contradict_each_other_are_refused(body, field):
    """Half a size, a size beside a ratio, a strength without what it is for, a picture twice: all are refused."""
    assert refusal(body).field == field


@pytest.mark.parametrize("seed", [None, -1])
def test_without_a_seed_the_drawn_one_holds(seed):
    """-1 and null mean a random seed, which the caller of `request` draws."""
    assert request({"seed": seed}, seed=99).seed == 99


@pytest.mark.parametrize("field", ["input_image", "image_url"])
def test_an_input_image_means_editing_for_kontext(field):
    """The image's ratio decides the size at about one megapixel, without strength."""
    parsed = CATALOG.parse("flux", {"prompt": "a", "model": "flux-kontext-pro", field: URL})
    assert parsed.input_values == ((field, URL),)
    made = parsed.request([PICTURE], 1)
    assert (made.task, made.strength, made.inputs) == (Task.EDIT, None, ("inputs/cat",))
    assert (made.width, made.height) == (1360, 768)


def test_an_input_image_means_image_to_image_elsewhere():
    """`prompt_strength` holds, 0.8 unless given, and an explicit ratio wins over the image's."""
    varied = request({"input_image": URL}, inputs=[PICTURE])
    assert (varied.task, varied.strength, varied.width, varied.height) == (Task.VARY, 0.8, 1360, 768)
    shaped = {"image_url": "file_" + "0" * 32, "prompt_strength": 1, "aspect_ratio": "1:1"}
    squared = request(shaped, "flux-schnell", inputs=[PICTURE])
    assert (squared.task, squared.strength, squared.width, squared.height) == (Task.VARY, 1.0, 1024, 1024)


def test_a_strength_of_zero_still_asks_for_one_step():
    """0 is in the contract's range, and a backend must have something to do."""
    made = request({"input_image": URL, "prompt_strength": 0}, inputs=[PICTURE])
    assert 0 < made.strength < 1 / 50


def test_a_small_picture_is_fitted_to_a_quarter_megapixel():
    """`megapixels` holds for the input image's shape too."""
    made = request({"input_image": URL, "megapixels": "0.25"}, inputs=[InputImage("k", 50, 50)])
    assert (made.width, made.height) == (512, 512)


def test_the_same_image_under_both_names_is_one_input():
    """Equal values under both names do not contradict each other."""
    assert CATALOG.parse("flux", {"prompt": "a", "input_image": URL, "image_url": URL}).input_values == (
        ("input_image", URL),
    )


def test_kontext_reads_several_pictures():
    """Each is an input, in their order, and the first decides the size; an empty list names none."""
    body = {"prompt": "a", "model": "flux-kontext-dev", "input_images": [URL, "file_2"]}
    parsed = CATALOG.parse("flux", body)
    assert parsed.input_values == (("input_images", URL), ("input_images", "file_2"))
    made = parsed.request([PICTURE, InputImage(key="inputs/dog", width=64, height=64)], 1)
    assert (made.task, made.inputs, made.width) == (Task.EDIT, ("inputs/cat", "inputs/dog"), 1360)
    assert request({"input_images": []}, "flux-kontext-dev").task is Task.GENERATE


def test_kontext_without_an_image_makes_one():
    """No image and no ratio: text to image at 1:1."""
    made = request({}, "flux-kontext-pro")
    assert (made.task, made.width, made.height) == (Task.GENERATE, 1024, 1024)


def test_inputs_must_answer_the_values():
    """A request without its image is a programming error."""
    with pytest.raises(ValueError, match="1 input images expected"):
        request({"input_image": URL})


def test_fill_takes_a_picture_and_its_mask():
    """The size follows the picture, whatever the mask's; a ratio that is named goes before it."""
    mask = InputImage(key="inputs/mask", width=64, height=64)
    made = request(MASKED, "flux-fill-dev", (PICTURE, mask))
    assert (made.task, made.inputs, made.strength) == (Task.FILL, ("inputs/cat", "inputs/mask"), None)
    assert (made.width, made.height) == (1360, 768)
    assert CATALOG.parse("flux-fill-dev", {"prompt": "a cat"} | MASKED).input_values == tuple(MASKED.items())
    square = request(MASKED | {"aspect_ratio": "1:1", "megapixels": "0.25"}, "flux-fill-dev", (PICTURE, mask))
    assert (square.width, square.height) == (512, 512)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"mask": None}, "mask"),
        ({"image": None}, "image"),
        ({"mask": "mask.png"}, "mask"),
        ({"image": 7}, "image"),
        ({"input_image": URL}, "input_image"),
    ],
)
def test_fill_is_refused_by_the_name_of_what_is_wrong(changes, field):
    """Without one of the two, or with one that is no picture's address, nothing is taken in."""
    assert refusal(MASKED | changes, "flux-fill-dev").field == field


def test_a_model_that_needs_what_is_not_supported_says_so():
    """Every request is refused by the name of the first parameter that it cannot do without."""
    fill = CATALOG.model("flux-fill-dev")
    needy = replace(fill, parameters=[replace(one, supported=one.name != "image") for one in fill.parameters])
    with pytest.raises(UnsupportedParameter) as caught:
        parse(needy, {"prompt": "a cat"} | MASKED)
    assert (caught.value.field, isinstance(caught.value, RequestRejected)) == ("image", True)
