"""What a Fill checkpoint reads of picture and mask, and what the blend keeps without one."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from fluxhouse.engine import fill, sampling
from fluxhouse.engine.weights import Weights, load

WIDTH, HEIGHT = 128, 64


@pytest.fixture(scope="module")
def weights(checkpoint: Path) -> Weights:
    return load(checkpoint, torch.device("cpu"), torch.float32)


@pytest.fixture(scope="module")
def shown(picture: Path) -> Image.Image:
    return Image.open(picture).convert("RGB")


def half() -> Image.Image:
    """White on its right half, at another size than the picture."""
    mask = Image.new("L", (32, 16), 0)
    mask.paste(255, (16, 0, 32, 16))
    return mask


def seeded(seed: int = 3) -> torch.Generator:
    return torch.Generator("cpu").manual_seed(seed)


def test_the_mask_goes_in_by_pixel(weights: Weights, shown: Image.Image) -> None:
    """Beside the kept picture's latents each token holds every pixel of the mask, resized to the picture."""
    tokens = fill.condition(weights, shown, half(), WIDTH, HEIGHT, seeded())
    rows, columns = HEIGHT // weights.grid, WIDTH // weights.grid
    pixels = tokens[0, :, 4 * weights.latent_channels :].view(rows, columns, -1)
    assert pixels.shape[2] == weights.grid**2
    assert bool((pixels[:, : columns // 2] == 0).all())
    assert bool((pixels[:, columns // 2 :] == 1).all())


def test_what_is_covered_is_not_seen(weights: Weights, shown: Image.Image) -> None:
    """Under a mask that covers everything any picture reads like none."""
    white = Image.new("L", shown.size, 255)
    seen = fill.condition(weights, shown, white, WIDTH, HEIGHT, seeded())
    assert torch.equal(seen, fill.condition_everywhere(weights, WIDTH, HEIGHT, seeded()))
    assert not torch.equal(seen, fill.condition(weights, shown, half(), WIDTH, HEIGHT, seeded()))


def test_the_blend_keeps_what_is_not_covered(weights: Weights) -> None:
    """After a step the black part is the picture at the step's sigma, the white part what the model made."""
    rows, columns = HEIGHT // weights.pixels_per_latent, WIDTH // weights.pixels_per_latent
    picture, noise, made = torch.randn(3, 1, weights.latent_channels, rows, columns, generator=seeded()).unbind()
    blended = fill.blend(weights, half(), picture, noise).after(sampling.pack(made), torch.tensor(0.25))
    latents = sampling.unpack(blended, rows, columns)
    middle = columns // 2
    assert torch.equal(latents[..., :middle], (0.25 * noise + 0.75 * picture)[..., :middle])
    assert torch.equal(latents[..., middle:], made[..., middle:])


def test_the_last_step_ends_on_the_picture(weights: Weights) -> None:
    """At sigma 0 the kept part holds no noise any more."""
    picture = torch.randn(1, weights.latent_channels, 4, 8, generator=seeded())
    black = Image.new("L", (8, 8), 0)
    blended = fill.blend(weights, black, picture, torch.ones_like(picture))
    assert torch.equal(blended.after(torch.zeros(1, 8, 4 * weights.latent_channels), torch.tensor(0.0)), blended.shown)
