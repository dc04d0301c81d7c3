"""The arithmetic of flow matching: noise, sigma schedule, Euler step, and latents packed into tokens and back.

Every rounding follows diffusers' FLUX pipelines, so that results are equal to theirs bit by bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler


def schedule(steps: int, tokens: int, settings: Mapping[str, Any], device: torch.device) -> torch.Tensor:
    """Sigmas [steps + 1] from near 1 to 0 for a picture of `tokens` tokens: larger pictures stay noisy for longer."""
    shifts = (
        settings.get("base_image_seq_len", 256),
        settings.get("max_image_seq_len", 4096),
        settings.get("base_shift", 0.5),
        settings.get("max_shift", 1.15),
    )
    scheduler = FlowMatchEulerDiscreteScheduler.from_config(dict(settings))
    scheduler.set_timesteps(
        steps, device=device, sigmas=np.linspace(1.0, 1 / steps, steps), mu=shift_of(tokens, *shifts)
    )
    sigmas: torch.Tensor = scheduler.sigmas
    return sigmas


def shift_of(tokens: int, few: int, many: int, least: float, most: float) -> float:
    """The schedule's shift for `tokens`, on the line through (few, least) and (many, most)."""
    slope = (most - least) / (many - few)
    return tokens * slope + (least - slope * few)


def draw(generator: torch.Generator, shape: tuple[int, ...], device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """The generator's next normal values in `shape`; a CPU generator's are the same for every device."""
    return torch.randn(shape, generator=generator, dtype=dtype).to(device)


def mix(latents: torch.Tensor, drawn: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """Latents as they stand at `sigma`: where image to image starts."""
    share = sigma.to(latents.dtype)
    return share * drawn + (1.0 - share) * latents


def euler_step(
    latents: torch.Tensor, velocity: torch.Tensor, sigma: torch.Tensor, following: torch.Tensor
) -> torch.Tensor:
    """Latents moved from `sigma` to `following` along the velocity, in float32, and rounded back."""
    return (latents.to(torch.float32) + (following - sigma) * velocity).to(velocity.dtype)


def pack(latents: torch.Tensor) -> torch.Tensor:
    """[1, c, h, w] -> [1, h/2 * w/2, 4c]: each token holds two by two latents."""
    _, channels, rows, columns = latents.shape
    tiles = latents.view(1, channels, rows // 2, 2, columns // 2, 2).permute(0, 2, 4, 1, 3, 5)
    return tiles.reshape(1, (rows // 2) * (columns // 2), channels * 4)


def unpack(tokens: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    """[1, h/2 * w/2, 4c] -> [1, c, h, w] for h = `rows` and w = `columns` latents."""
    channels = tokens.shape[2] // 4
    tiles = tokens.view(1, rows // 2, columns // 2, channels, 2, 2).permute(0, 3, 1, 4, 2, 5)
    return tiles.reshape(1, channels, rows, columns)


def positions(
    rows: int, columns: int, device: torch.device, dtype: torch.dtype, frame: int = 0, origin: tuple[int, int] = (0, 0)
) -> torch.Tensor:
    """Ids [rows * columns, 3] of tokens: frame (0 the picture, 1 a reference), row and column.

    They are built in the latents' dtype, as diffusers does; bfloat16 counts exactly to 256.
    """
    ids = torch.zeros(rows, columns, 3)
    ids[..., 0] = frame
    ids[..., 1] = origin[0] + torch.arange(rows)[:, None]
    ids[..., 2] = origin[1] + torch.arange(columns)[None, :]
    return ids.reshape(rows * columns, 3).to(device=device, dtype=dtype)
