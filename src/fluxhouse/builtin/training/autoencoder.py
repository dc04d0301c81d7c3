"""Trains the autoencoder on fresh pictures, inner levels first, and measures the latents a transformer will see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderTiny
from torch import Tensor
from torch.nn import functional

from fluxhouse.builtin.training import parts as folders
from fluxhouse.builtin.training.architecture import new_autoencoder
from fluxhouse.builtin.training.growing import encode_small, grown, levels_of
from fluxhouse.builtin.training.learning import Learner
from fluxhouse.builtin.training.loop import Run, Step, say
from fluxhouse.builtin.training.options import Options
from fluxhouse.builtin.training.painting import Order, Painters, Pixels, fulfil
from fluxhouse.builtin.training.sheets import write_sheet

_SIZES = ((1, 1), (1, 1), (2, 2), (2, 1), (1, 2))
"""Width and height of a batch's pictures, in the smallest size: finer and coarser detail, and all kinds of rims."""

_NOISE = 0.1
"""Most noise on latents, in their own deviations: what the transformer makes is never quite what was encoded."""

_MEASURED = 96
_INNER_RATE, _OUTER_RATE = 1e-3, 5e-4
_COARSE = 0.25
"""What a level before the last counts."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the training: `side` is that of its smallest pictures in pixels, `batch` how many of these it sees."""

    name: str
    number: int
    side: int
    batch: int
    updates: int
    rate: float


def train(options: Options) -> None:
    """Train an autoencoder, or the decoder of the one in the folder, and write it with its latents' shift and scale.

    Its inner levels learn on small pictures, which is cheap. Then it is grown to its size, and the decoder alone learns
    on: latents stay what they are, so a transformer that knows them stays good.
    """
    outer = 2**options.size.outer
    inward = Phase("inner", 0, options.pixels // outer, options.batch, options.updates, _INNER_RATE)
    few = max(1, options.batch // outer**2)
    outward = Phase("decoder", 1, options.pixels, few, max(1, options.updates // 4), _OUTER_RATE)
    if (options.out / "vae").is_dir():
        vae = folders.load(options.out, ("vae",), options.device)["vae"]
    else:
        inner = _inner(options, inward)
        if inner is None:
            return
        vae = grown(inner, options.size.outer)
    vae.to(options.device, memory_format=torch.channels_last).train()
    vae.encoder.requires_grad_(False)
    vae.decoder.requires_grad_(True)
    learner = _learn(options, outward, vae)
    with learner.averaged():
        _measure(vae, options)
        folders.write(options.out, "vae", vae)


def _inner(options: Options, phase: Phase) -> AutoencoderTiny | None:
    """The trained inner levels, from the folder once they have been; None where the call's time is over before."""
    folder = options.out / "training" / "autoencoder" / phase.name
    if (folder / "trained").is_dir():
        return AutoencoderTiny.from_pretrained(folder / "trained", local_files_only=True)
    inner: Any = new_autoencoder(options.size).to(options.device, memory_format=torch.channels_last).train()
    inner.encoder.layers[0].requires_grad_(False)  # Levels are put before it.
    learner = _learn(options, phase, inner)
    if not learner.finished:
        return None
    with learner.averaged():
        inner.save_pretrained(folder / "trained")
    return AutoencoderTiny.from_pretrained(folder / "trained", local_files_only=True)


def _learn(options: Options, phase: Phase, vae: Any) -> Learner:
    folder = options.out / "training" / "autoencoder" / phase.name
    learner = Learner({"vae": vae}, options.rate or phase.rate, phase.updates)
    learner.restore(folder / "state")
    test = fulfil(_order(options, phase, phase.updates, 8, (1, 1)))

    def update(number: int) -> Step:
        pixels = folders.as_tensor(next(painted), options.device)
        generator = torch.Generator(options.device).manual_seed(options.seed + number)
        with options.autocast():
            seen = _through(vae, pixels, generator)
        return Step(loss_of(seen, pixels), len(pixels))

    def show(path: Path) -> None:
        with learner.averaged():
            made = _copies(vae, test.pixels, options)
        write_sheet(path, [("painted", list(test.pixels)), (f"{psnr(test.pixels, made):.1f} dB", list(made))])

    with Painters(options.painters) as painters:
        painted = _batches(painters, options, phase, learner.done)
        Run(learner, folder, options).go(update, show)
    return learner


def _batches(painters: Painters, options: Options, phase: Phase, first: int) -> Iterator[Pixels]:
    rng = [np.random.default_rng((options.seed, phase.number, number)) for number in range(first, phase.updates)]
    shapes = [_SIZES[int(one.integers(len(_SIZES)))] for one in rng]
    orders = (
        _order(options, phase, first + number, max(1, phase.batch // (shape[0] * shape[1])), shape)
        for number, shape in enumerate(shapes)
    )
    return (painted.pixels for painted in painters.paint(orders))


def _order(options: Options, phase: Phase, number: int, count: int, shape: tuple[int, int]) -> Order:
    """Large pictures are cut from nothing: the painter paints at any size."""
    return Order(
        seed=(options.seed, phase.number, 1, number),
        stage=options.stage,
        count=count,
        width=phase.side * shape[0],
        height=phase.side * shape[1],
    )


def _through(vae: Any, pixels: Tensor, generator: torch.Generator) -> list[Tensor]:
    """Encoded, disturbed a little and decoded: what each level of the decoder shows."""
    latents = vae.encode(pixels).latents
    strength = torch.rand(len(latents), 1, 1, 1, generator=generator, device=latents.device) * _NOISE
    noise = torch.randn(latents.shape, generator=generator, device=latents.device, dtype=latents.dtype)
    return list(levels_of(vae.decoder, latents + strength * latents.detach().std() * noise))


def loss_of(seen: list[Tensor], pixels: Tensor) -> Tensor:
    """Distance of what levels show, the last one [n, 3, h, w], from the pictures averaged to their sizes."""
    loss = torch.zeros((), device=pixels.device)
    for number, made in enumerate(seen, start=1):
        factor = pixels.shape[-1] // made.shape[-1]
        wanted = functional.avg_pool2d(pixels, factor) if factor > 1 else pixels
        loss = loss + (1.0 if number == len(seen) else _COARSE) * _distance(made.float(), wanted)
    return loss


def _distance(made: Tensor, wanted: Tensor) -> Tensor:
    """Of pixels, absolute and squared, and of edges."""
    apart = made - wanted
    distance = apart.abs().mean() + 2 * apart.square().mean()
    for axis in (2, 3):
        distance = distance + functional.l1_loss(made.diff(dim=axis), wanted.diff(dim=axis))
    return distance


@torch.no_grad()
def _copies(vae: Any, pixels: Pixels, options: Options) -> Pixels:
    return folders.as_pixels(vae.decode(vae.encode(folders.as_tensor(pixels, options.device)).latents).sample)


def psnr(pixels: Pixels, made: Pixels) -> float:
    """Peak signal to noise of copies, in decibels."""
    error = float(np.mean((pixels.astype(np.float32) - made.astype(np.float32)) ** 2))
    return 10 * float(np.log10(255.0**2 / max(error, 1e-9)))


@torch.no_grad()
def _measure(vae: Any, options: Options) -> None:
    """Set the shift and scale by which latents get mean 0 and deviation 1, and say how far apart channels are."""
    side = options.pixels // 2**options.size.outer
    order = Order((options.seed, 2, 1), options.stage, _MEASURED, side, side)
    tensors = (folders.as_tensor(some, options.device) for some in np.array_split(fulfil(order).pixels, 12))
    latents = torch.cat([encode_small(vae, some) for some in tensors])
    shift, scale = float(latents.mean()), 1 / float(latents.std())
    vae.register_to_config(shift_factor=shift, scaling_factor=scale)
    apart = (latents.std(dim=(0, 2, 3)) * scale).tolist()
    say(f"latents: shift {shift:.3f}, scale {scale:.3f}, deviation of channels {min(apart):.2f} to {max(apart):.2f}")
