"""An autoencoder grows around what it has learnt without forgetting any of it."""

import pytest
import torch
from torch.nn import functional

from fluxhouse.builtin.training.architecture import new_autoencoder
from fluxhouse.builtin.training.growing import encode_small, grown, halvings, levels_of
from fluxhouse.builtin.training.sizes import SIZES


@pytest.fixture(scope="module")
def inner():
    """Inner levels whose every weight counts."""
    torch.manual_seed(3)
    vae = new_autoencoder(SIZES["tiny"]).eval().requires_grad_(False)
    for name, weight in vae.named_parameters():
        if not name.startswith("encoder.layers.0."):
            weight.add_(0.02 * torch.randn(weight.shape))
    return vae


@pytest.fixture(scope="module")
def picture():
    return torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(4)) * 2 - 1


@pytest.mark.parametrize("levels", [1, 2])
def test_latents_are_those_of_the_averaged_picture(inner, picture, levels):
    """At the rim too; and who has the small picture at once gets them without the levels that halve."""
    vae = grown(inner, levels).eval().requires_grad_(False)
    small = functional.avg_pool2d(picture, 2**levels)
    wanted = inner.encode(small).latents
    assert halvings(vae) == levels
    torch.testing.assert_close(vae.encode(picture).latents, wanted, rtol=1e-5, atol=1e-5)
    assert torch.equal(encode_small(vae, small), wanted)


@pytest.mark.parametrize("levels", [1, 2])
def test_the_decoder_starts_as_its_inner_levels_enlarged(inner, picture, levels):
    """What it shows is near to what the inner levels show, spread over more pixels."""
    vae = grown(inner, levels).eval().requires_grad_(False)
    latents = vae.encode(picture).latents
    was = inner.decode(latents).sample.clamp(-1, 1)
    shown = functional.avg_pool2d(vae.decode(latents).sample.clamp(-1, 1), 2**levels)
    assert shown.shape == was.shape
    assert float((shown - was).abs().mean()) < 0.1 * float(was.std())


def test_every_level_shows_a_picture_and_the_last_one_what_is_decoded(inner, picture):
    """Coarsest first, each twice the one before."""
    vae = grown(inner, 2).eval().requires_grad_(False)
    latents = vae.encode(picture).latents
    shown = list(levels_of(vae.decoder, latents))
    assert [tuple(one.shape) for one in shown] == [(2, 3, 8, 12), (2, 3, 16, 24), (2, 3, 32, 48), (2, 3, 64, 96)]
    assert torch.equal(shown[-1], vae.decode(latents).sample)
