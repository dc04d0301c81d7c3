"""What is computed once for all steps is what diffusers computes at each."""

import pytest
import torch
from diffusers import FluxTransformer2DModel

from fluxhouse.engine.conditioning import Conditioning, Course, modulations
from fluxhouse.engine.linears import Delta, apply
from fluxhouse.engine.sampling import positions

TIMES = torch.linspace(1000, 20, 50)
POOLED = torch.randn(1, 16, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def model() -> FluxTransformer2DModel:
    torch.manual_seed(3)
    return FluxTransformer2DModel(
        in_channels=8,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=12,
        pooled_projection_dim=16,
        guidance_embeds=True,
        axes_dims_rope=(2, 2, 4),
    ).requires_grad_(False)


def conditioning(model: FluxTransformer2DModel, exact: bool, deltas: tuple[Delta, ...] = ()) -> Conditioning:
    ids = positions(2, 3, torch.device("cpu"), torch.float32)
    return Conditioning(model, torch.ones(5, 12), ids, Course(TIMES, 3.5, POOLED), deltas, exact=exact)


def by_diffusers(model: FluxTransformer2DModel, step: int) -> torch.Tensor:
    """Every modulation at one step, by the model's own modules, without the ones that we have added to scales."""
    vector = model.time_text_embed(TIMES[step : step + 1] / 1000 * 1000, torch.tensor([3500.0]), POOLED)
    rows = [layer(torch.nn.functional.silu(vector)) for _, layer, _ in modulations(model)]
    return torch.cat(rows, dim=1)


def without_ones(model: FluxTransformer2DModel, row: torch.Tensor) -> torch.Tensor:
    parts, at, width = list(row.split(model.inner_dim, dim=1)), 0, model.inner_dim
    for _, layer, scales in modulations(model):
        for place in scales:
            parts[at + place] = parts[at + place] - 1
        at += layer.out_features // width
    return torch.cat(parts, dim=1)


@pytest.mark.parametrize("exact", [True, False])
def test_modulation_is_that_of_the_model_at_every_step(model: FluxTransformer2DModel, exact: bool) -> None:
    """Row by row or 32 at once, asked in any order, across windows."""
    made = conditioning(model, exact)
    for step in (0, 1, 31, 32, 49, 2):
        row = without_ones(model, made.modulation(step))
        assert torch.allclose(row, by_diffusers(model, step), atol=1e-5)


def test_a_step_has_the_same_bits_whatever_was_asked_before(model: FluxTransformer2DModel) -> None:
    """Images of one request share it and may be at different steps."""
    one, other = conditioning(model, exact=False), conditioning(model, exact=False)
    one.modulation(0)
    assert torch.equal(one.modulation(40), other.modulation(40))


def test_a_lora_acts_on_modulation_and_text_too(model: FluxTransformer2DModel) -> None:
    """On the layers that are computed at admission as on those of the blocks."""
    names = ("context_embedder", "transformer_blocks.0.norm1.linear", "time_text_embed.timestep_embedder.linear_1")
    layers = dict(model.named_modules())
    pairs = {n: (torch.ones(1, layers[n].in_features), torch.ones(layers[n].out_features, 1)) for n in names}
    plain, changed = conditioning(model, exact=True), conditioning(model, True, (Delta(pairs, 0.5),))
    expected = apply("context_embedder", model.context_embedder, torch.ones(5, 12), ()) + 6.0
    assert torch.allclose(changed.text, expected, atol=1e-5)
    assert not torch.allclose(changed.modulation(0), plain.modulation(0))


def test_sizes_are_text_and_picture(model: FluxTransformer2DModel) -> None:
    """Five words and two by three tokens of picture."""
    assert conditioning(model, exact=True).sizes == (5, 6)
