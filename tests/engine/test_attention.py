"""A segment attends to itself alone, and turning is diffusers'."""

import pytest
import torch
from diffusers.models.embeddings import apply_rotary_emb
from torch.nn import functional

from fluxhouse.engine.attention import attend, rotate


def heads(count: int) -> torch.Tensor:
    return torch.randn(count, 2, 8, generator=torch.Generator().manual_seed(count))


@pytest.mark.parametrize("exact", [True, False])
def test_each_segment_sees_itself_alone(exact: bool) -> None:
    """What lies beside it changes no bit of it."""
    query, key, value = heads(12), heads(12) * 2, heads(12) - 1
    mixed = attend(query, key, value, [5, 7], exact=exact)
    for part in (slice(0, 5), slice(5, 12)):
        alone = functional.scaled_dot_product_attention(*(x[part].transpose(0, 1)[None] for x in (query, key, value)))
        assert torch.equal(mixed[part], alone[0].transpose(0, 1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_tokens_are_turned_as_by_diffusers(dtype: torch.dtype) -> None:
    """Bit by bit."""
    tokens, angles = heads(6).to(dtype), torch.linspace(0, 9, 24).view(6, 4).repeat_interleave(2, dim=1)
    theirs = apply_rotary_emb(tokens[None], (angles.cos(), angles.sin()), sequence_dim=1)[0]
    assert torch.equal(rotate(tokens, angles.cos()[:, None], angles.sin()[:, None]), theirs)
