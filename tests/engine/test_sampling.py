"""Packing and positions are those of diffusers."""

import torch
from diffusers import FluxPipeline

from fluxhouse.engine import sampling

CPU = torch.device("cpu")


def test_packing_is_undone_by_unpacking() -> None:
    """Both directions agree with each other and with diffusers."""
    latents = torch.randn(1, 16, 6, 8)
    tokens = sampling.pack(latents)
    assert torch.equal(tokens, FluxPipeline._pack_latents(latents, 1, 16, 6, 8))
    assert torch.equal(sampling.unpack(tokens, 6, 8), latents)


def test_positions_count_rows_and_columns() -> None:
    """Ids are (frame, row, column), row by row."""
    ours = sampling.positions(3, 4, CPU, torch.bfloat16)
    assert torch.equal(ours, FluxPipeline._prepare_latent_image_ids(1, 3, 4, CPU, torch.bfloat16))
    moved = sampling.positions(2, 2, CPU, torch.float32, frame=1, origin=(3, 5))
    assert moved.tolist() == [[1, 3, 5], [1, 3, 6], [1, 4, 5], [1, 4, 6]]


def test_larger_pictures_stay_noisy_for_longer() -> None:
    """The shifted schedule falls from 1 to 0, later for more tokens."""
    settings = {"shift": 3.0, "use_dynamic_shifting": True, "num_train_timesteps": 1000}
    small, large = (sampling.schedule(4, tokens, settings, CPU) for tokens in (256, 4096))
    assert small.tolist() == sorted(small.tolist(), reverse=True)
    assert (float(small[0]), float(small[-1]), len(small)) == (1.0, 0.0, 5)
    assert bool((large[1:-1] > small[1:-1]).all())
