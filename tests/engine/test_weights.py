"""Weights are read from a diffusers folder, and say what they need."""

from pathlib import Path

import torch

from fluxhouse.engine.weights import load


def test_a_folder_says_its_grid_and_guidance(checkpoint: Path, random_schnell: Path) -> None:
    """Sizes and guidance come from the parts' own configurations."""
    ours, schnell = (load(folder, torch.device("cpu"), torch.bfloat16) for folder in (checkpoint, random_schnell))
    assert (ours.pixels_per_latent, ours.grid, ours.latent_channels, ours.takes_guidance) == (16, 32, 16, True)
    assert not schnell.takes_guidance
    assert next(ours.transformer.parameters()).dtype is torch.bfloat16
