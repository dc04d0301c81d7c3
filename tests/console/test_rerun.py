"""A job once more: the body asks for the same, and the validator takes it."""

from dataclasses import replace

import pytest

from fluxhouse.catalog.catalog import Catalog
from fluxhouse.console.rerun import body_of
from fluxhouse.generation.request import OutputFormat

CATALOG = Catalog.load()
BODIES = [
    ("flux-dev", {"prompt": "a & b #1", "seed": 7}),
    ("flux-dev", {"prompt": "x", "seed": 7, "aspect_ratio": "16:9", "num_outputs": 3, "guidance_scale": 2.5}),
    ("flux-dev", {"prompt": "x", "seed": 7, "width": 256, "height": 320, "output_format": "jpg", "output_quality": 70}),
    ("flux-dev", {"prompt": "x", "seed": 7, "safety_tolerance": 0}),
    ("flux", {"prompt": "x", "seed": 7, "model": "flux-schnell", "num_inference_steps": 3}),
    ("flux-dev", {"prompt": "x", "seed": 7, "negative_prompt": "", "true_cfg_scale": 4, "acceleration": "high"}),
]


@pytest.mark.parametrize(("model_id", "body"), BODIES)
def test_the_same_is_asked_for(model_id, body):
    """Parsing what stands in the address gives the request that was made."""
    made = CATALOG.parse(model_id, body).request((), 0)
    again = body_of(CATALOG.model(model_id), made)
    assert CATALOG.parse(model_id, again).request((), 0) == made


def test_what_cannot_be_said_stays_out():
    """Pictures that went in, and the size that came from them."""
    model = CATALOG.model("flux-kontext-dev")
    made = CATALOG.parse("flux-dev", {"prompt": "x", "seed": 7}).request((), 0)
    edited = replace(made, model="flux-kontext-dev", inputs=("inputs/a.png",), format=OutputFormat.WEBP)
    assert body_of(model, edited) == {"prompt": "x", "seed": 7, "output_format": "webp"}
