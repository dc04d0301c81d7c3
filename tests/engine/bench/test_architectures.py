"""The architectures are FLUX.1's, and their random weights are the same every time."""

import pytest
import torch

from fluxhouse.engine.bench.architectures import ARCHITECTURES


@pytest.mark.parametrize(("name", "billions"), [("dev", 11.901), ("schnell", 11.891)])
def test_the_large_ones_have_the_published_size(name: str, billions: float) -> None:
    """Counted without making them."""
    weights = ARCHITECTURES[name].build(torch.device("meta"), torch.bfloat16)
    assert sum(one.numel() for one in weights.transformer.parameters()) / 1e9 == pytest.approx(billions, abs=0.001)
    assert {one.dtype for one in weights.transformer.parameters()} == {torch.bfloat16}
    assert (weights.grid, weights.latent_channels) == (16, 16)
    assert weights.takes_guidance is (name == "dev")
    assert torch.get_default_dtype() is torch.float32


def test_random_weights_are_the_same_and_leave_the_generator_alone() -> None:
    """Who measures twice measures the same model."""
    tiny, before = ARCHITECTURES["tiny"], torch.random.get_rng_state()
    first, second = (tiny.build(torch.device("cpu"), torch.float32).transformer.state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert torch.equal(torch.random.get_rng_state(), before)
