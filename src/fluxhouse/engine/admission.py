"""How a trajectory begins: its noise, the pictures it starts from or reads beside it, and where its tokens stand."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fluxhouse.engine import autoencode, fill, sampling
from fluxhouse.engine.encode import open_input
from fluxhouse.engine.options import ModelWeights
from fluxhouse.engine.trajectory import Trajectory
from fluxhouse.engine.weights import Weights
from fluxhouse.generation.request import Task


@dataclass(frozen=True, slots=True)
class Beginning:
    """Latents [1, n, 4c] at the first of the sigmas [steps + 1], and what is seen beside them at each step.

    `references` [1, m, 4c] stand behind the latents at ids [n + m, 3]; `condition` [1, n, k] is read token by token;
    `blend` keeps after each step what is not to be repainted.
    """

    latents: torch.Tensor
    sigmas: torch.Tensor
    ids: torch.Tensor
    references: torch.Tensor | None = None
    condition: torch.Tensor | None = None
    blend: fill.InpaintBlend | None = None


def begin(trajectory: Trajectory, weights: Weights, model: ModelWeights) -> Beginning:
    """The beginning of a trajectory. Raises InputImageRefused where a picture cannot be read."""
    rows, columns = trajectory.canvas_height // weights.grid, trajectory.canvas_width // weights.grid
    sigmas = sampling.schedule(trajectory.schedule_steps, rows * columns, weights.schedule, weights.device)
    ids = sampling.positions(rows, columns, weights.device, weights.dtype)
    generator = torch.Generator("cpu").manual_seed(trajectory.seed)
    if trajectory.request.task in (Task.VARY, Task.FILL):
        return _from_picture(trajectory, weights, sigmas, ids, generator)
    latents = sampling.pack(_draw(trajectory, weights, generator))
    size = (trajectory.canvas_width, trajectory.canvas_height)
    condition = fill.condition_everywhere(weights, *size, generator) if weights.fills else None
    if trajectory.request.task is Task.EDIT:
        references, places = _references(trajectory, weights, model)
        return Beginning(latents, sigmas, torch.cat([ids, places]), references, condition)
    return Beginning(latents, sigmas, ids, condition=condition)


def _from_picture(
    trajectory: Trajectory, weights: Weights, sigmas: torch.Tensor, ids: torch.Tensor, generator: torch.Generator
) -> Beginning:
    """Noise over the latents of the input picture; where a mask comes with it, what a Fill checkpoint or a blend needs.

    The order of the draws is that of diffusers: the VAE's, the noise, the VAE's again.
    """
    picture = open_input(trajectory.pictures[0])
    size = (trajectory.canvas_width, trajectory.canvas_height)
    shown = autoencode.encode(weights, picture, *size, generator)
    drawn = _draw(trajectory, weights, generator)
    latents = sampling.pack(sampling.mix(shown, drawn, sigmas[trajectory.first]))
    if trajectory.request.task is Task.VARY:
        condition = fill.condition_everywhere(weights, *size, generator) if weights.fills else None
        return Beginning(latents, sigmas, ids, condition=condition)
    mask = open_input(trajectory.pictures[1])
    if weights.fills:
        condition = fill.condition(weights, picture, mask, *size, generator)
        return Beginning(latents, sigmas, ids, condition=condition)
    return Beginning(latents, sigmas, ids, blend=fill.blend(weights, mask, shown, drawn))


def _draw(trajectory: Trajectory, weights: Weights, generator: torch.Generator) -> torch.Tensor:
    scale = weights.pixels_per_latent
    rows, columns = trajectory.canvas_height // scale, trajectory.canvas_width // scale
    return sampling.draw(generator, (1, weights.latent_channels, rows, columns), weights.device, weights.dtype)


def _references(trajectory: Trajectory, weights: Weights, model: ModelWeights) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens [1, m, 4c] and ids [m, 3] of all references: frame 1, further ones beside or below the first."""
    tokens, places = [], []
    bottom = right = 0
    for path in trajectory.pictures:
        picture = open_input(path)
        width, height = trajectory.canvas_width, trajectory.canvas_height
        if not model.fit_references:
            width, height = autoencode.reference_size(picture, weights.grid)
        rows, columns = height // weights.grid, width // weights.grid
        origin = (0, right) if bottom + rows > right + columns else (bottom, 0)
        tokens.append(sampling.pack(autoencode.encode(weights, picture, width, height)))
        places.append(sampling.positions(rows, columns, weights.device, weights.dtype, 1, origin))
        bottom, right = max(bottom, origin[0] + rows), max(right, origin[1] + columns)
    return torch.cat(tokens, dim=1), torch.cat(places)
