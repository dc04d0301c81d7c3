"""Requests survive their way through the database, from the first version's on."""

import json
from dataclasses import replace

import pytest

from fluxhouse.generation.request import Acceleration, GenerationRequest, Lora, OutputFormat, Task

REQUEST = GenerationRequest(model="flux-dev", prompt="a fox", width=64, height=48, seed=2**32 - 1, inputs=("a", "b"))
FULL = replace(
    REQUEST,
    task=Task.FILL,
    format=OutputFormat.WEBP,
    acceleration=Acceleration.HIGH,
    negative_prompt="blurred",
    true_guidance=2.5,
    loras=(Lora("loras/aa.safetensors", 0.8), Lora("loras/bb.safetensors", -1.0)),
    share=2.0,
    tolerance=None,
)


@pytest.mark.parametrize("request_", [REQUEST, FULL])
def test_a_request_survives_json(request_: GenerationRequest) -> None:
    """What was written is what is read."""
    assert GenerationRequest.from_json(json.loads(json.dumps(request_.to_json()))) == request_


def test_what_is_not_used_of_the_later_fields_is_not_written() -> None:
    """An earlier version beside this one, which knows none of them, can read the request."""
    assert not {"negative_prompt", "true_guidance", "loras", "share", "tolerance"} & set(REQUEST.to_json())


def test_each_image_has_its_own_seed() -> None:
    """Image i is that of seed + i, round the end of 32 bits."""
    assert [REQUEST.image_seed(index) for index in range(3)] == [2**32 - 1, 0, 1]
