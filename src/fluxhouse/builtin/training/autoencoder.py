"""Trains the autoencoder on fresh pictures, and measures the latents that the transformer will see."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fluxhouse.builtin.training import parts as folders
from fluxhouse.builtin.training.learning import Learner
from fluxhouse.builtin.training.loop import Run, Step, say
from fluxhouse.builtin.training.options import Options
from fluxhouse.builtin.training.painting import Order, Painters, Pixels, fulfil
from fluxhouse.builtin.training.sheets import write_sheet

_SIZES = ((1, 1), (1, 1), (2, 2), (2, 1), (1, 2))
"""Width and height of a batch's pictures, in the smallest size: finer and coarser detail, and all kinds of rims."""

_NOISE = 0.06
_MEASURED = 96

_RATE = 2e-4
"""Without normalisation, faster steps undo what the start has right."""


def train(options: Options, vae: Any) -> None:
    """Train `vae` and write it, with the measured shift and scale of its latents, into the folder."""
    folder = options.out / "training" / "autoencoder"
    vae.to(options.device, memory_format=torch.channels_last).train().requires_grad_(True)
    learner = Learner({"vae": vae}, options.rate or _RATE, options.updates)
    learner.restore(folder / "state")
    test = fulfil(_order(options, options.updates, 8, (1, 1)))

    def update(number: int) -> Step:
        pixels = folders.as_tensor(next(painted), options.device)
        generator = torch.Generator(options.device).manual_seed(options.seed + number)
        with options.autocast():
            made = _through(vae, pixels, generator)
        return Step(loss_of(made.float(), pixels), len(pixels))

    def show(path: Path) -> None:
        with learner.averaged():
            made = _copies(vae, test.pixels, options)
        write_sheet(path, [("painted", list(test.pixels)), (f"{psnr(test.pixels, made):.1f} dB", list(made))])

    with Painters(options.painters) as painters:
        painted = _batches(painters, options, learner.done)
        Run(learner, folder, options).go(update, show)
    with learner.averaged():
        _measure(vae, options)
        folders.write(options.out, "vae", vae)


def _batches(painters: Painters, options: Options, first: int) -> Iterator[Pixels]:
    rng = [np.random.default_rng((options.seed, 0, number)) for number in range(first, options.updates)]
    shapes = [_SIZES[int(one.integers(len(_SIZES)))] for one in rng]
    orders = (
        _order(options, first + number, max(1, options.batch // (shape[0] * shape[1])), shape)
        for number, shape in enumerate(shapes)
    )
    return (painted.pixels for painted in painters.paint(orders))


def _order(options: Options, number: int, count: int, shape: tuple[int, int]) -> Order:
    """Large pictures are cut from nothing: the painter paints at any size."""
    return Order(
        seed=(options.seed, 1, number),
        stage=options.stage,
        count=count,
        width=options.pixels * shape[0],
        height=options.pixels * shape[1],
    )


def _through(vae: Any, pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Encoded, disturbed a little and decoded: what the transformer makes is never quite what was encoded."""
    latents = vae.encode(pixels).latents
    strength = torch.rand(len(latents), 1, 1, 1, generator=generator, device=latents.device) * _NOISE
    noise = torch.randn(latents.shape, generator=generator, device=latents.device, dtype=latents.dtype)
    made: Tensor = vae.decode(latents + strength * noise).sample
    return made


def loss_of(made: Tensor, pixels: Tensor) -> Tensor:
    """Distance of pictures [n, 3, h, w]: of pixels, of averages over 4 and 16 (colours first), and of edges."""
    loss = functional.l1_loss(made, pixels)
    for side in (4, 16):
        loss = loss + functional.l1_loss(functional.avg_pool2d(made, side), functional.avg_pool2d(pixels, side))
    for axis in (2, 3):
        loss = loss + functional.l1_loss(made.diff(dim=axis), pixels.diff(dim=axis))
    return loss


@torch.no_grad()
def _copies(vae: Any, pixels: Pixels, options: Options) -> Pixels:
    return folders.as_pixels(vae.decode(vae.encode(folders.as_tensor(pixels, options.device)).latents).sample)


def psnr(pixels: Pixels, made: Pixels) -> float:
    """Peak signal to noise of copies, in decibels."""
    error = float(np.mean((pixels.astype(np.float32) - made.astype(np.float32)) ** 2))
    return 10 * float(np.log10(255.0**2 / max(error, 1e-9)))


@torch.no_grad()
def _measure(vae: Any, options: Options) -> None:
    """Set the shift and scale by which latents get mean 0 and deviation 1."""
    pictures = fulfil(_order(options, options.updates + 1, _MEASURED, (1, 1))).pixels
    tensors = (folders.as_tensor(some, options.device) for some in np.array_split(pictures, 12))
    latents = torch.cat([vae.encode(some).latents for some in tensors])
    shift, scale = float(latents.mean()), 1 / float(latents.std())
    vae.register_to_config(shift_factor=shift, scaling_factor=scale)
    apart = (latents.std(dim=(0, 2, 3)) * scale).tolist()
    say(f"latents: shift {shift:.3f}, scale {scale:.3f}, deviation of channels {min(apart):.2f} to {max(apart):.2f}")
