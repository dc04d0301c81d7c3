"""Parameters as controls: everything that can be asked is there, each in its kind."""

import pytest

from fluxhouse.catalog.catalog import Catalog
from fluxhouse.catalog.loras import PARAMETERS as LORA_PARAMETERS
from fluxhouse.console.controls import form_of
from fluxhouse.generation.backend import Serving

CATALOG = Catalog.load()
SERVING = {"flux-dev": Serving("house", 8, 3.5)}
PLACED = {"prompt", "aspect_ratio", "width", "height", "image_url", "input_images", "webhook_url", *LORA_PARAMETERS}


@pytest.mark.parametrize("model", CATALOG.models, ids=lambda model: model.id)
def test_every_supported_parameter_has_its_place(model):
    """In a control, or in what the page has for it; none that the model lacks."""
    form = form_of(model, SERVING)
    controls = {control.parameter.name for control in (*form.usual, *form.rest)}
    pictures = {name for name in (form.picture, "mask" if form.masked else None) if name}
    supported = {parameter.name for parameter in model.parameters if parameter.supported}
    assert controls <= supported
    assert pictures <= supported
    assert supported - controls - pictures - PLACED <= ({"model"} if not model.members else set())
    if form.loras is not None:
        assert {form.loras.names, form.loras.scales} <= supported


def test_a_control_is_of_the_kind_that_its_parameter_asks_for():
    """Ranges are sliders, words a choice; without the contract's default the backend's holds."""
    form = form_of(CATALOG.model("flux-dev"), SERVING)
    found = {control.parameter.name: control for control in (*form.usual, *form.rest)}
    assert (found["num_inference_steps"].kind, found["num_inference_steps"].default) == ("slider", "8")
    assert (found["guidance_scale"].default, found["guidance_scale"].step) == ("3.5", "0.05")
    assert (found["output_format"].kind, found["output_format"].options) == ("choice", ("png", "jpg", "webp"))
    assert found["seed"].kind == "seed"
    assert "model" not in found
    family = form_of(CATALOG.model("flux"), {})
    members = next(control for control in family.usual if control.parameter.name == "model")
    assert members.options[0] == "flux-dev"


def test_loras_are_told_in_the_models_own_parameters():
    """A list where there may be several, else one; none where the model only has a strength."""
    several, one = (form_of(CATALOG.model(name), {}).loras for name in ("flux-dev", "flux-kontext-dev"))
    assert (several.names, several.scales, several.most) == ("hf_loras", "lora_scales", 8)
    assert (one.names, one.scales, one.most) == ("lora_weights", "lora_scale", 1)
    assert form_of(CATALOG.model("flux-fill-dev"), {}).loras is None


def test_a_model_that_reads_several_pictures_says_how_many():
    """Kontext [dev] up to four; the others one, or none."""
    most = {name: form_of(CATALOG.model(name), {}) for name in ("flux-kontext-dev", "flux-dev", "flux-fill-dev")}
    assert [form.most_pictures for form in most.values()] == [4, 1, 1]
    assert [form.picture for form in most.values()] == ["input_image", "input_image", "image"]
