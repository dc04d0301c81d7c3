"""The only caller of the device: takes a trajectory in, steps it, and decodes it.

It knows no queue and no socket. What it holds of a trajectory it keeps until that is finished or dropped.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from fluxhouse.engine import autoencode, sampling
from fluxhouse.engine.encode import metadata, open_input, to_file, to_preview
from fluxhouse.engine.options import EngineOptions, ModelWeights
from fluxhouse.engine.prompt import Prompt, PromptEncoder
from fluxhouse.engine.trajectory import Trajectory
from fluxhouse.engine.weights import Weights, load
from fluxhouse.generation.errors import OutOfMemory
from fluxhouse.generation.image import MadeImage
from fluxhouse.generation.request import GenerationRequest, Task


@dataclass(slots=True)
class _Held:
    """The tensors of one trajectory: latents [1, n, 4c], sigmas [steps + 1], ids [n + m, 3], references [1, m, 4c]."""

    latents: torch.Tensor
    sigmas: torch.Tensor
    prompt: Prompt
    ids: torch.Tensor
    references: torch.Tensor | None
    guidance: torch.Tensor | None
    velocity: torch.Tensor | None = None


class Runner:
    """The models of one engine on its device."""

    def __init__(self, options: EngineOptions) -> None:
        """Load every folder once. Raises WeightsUnavailable."""
        self._options = options
        self._prompts = PromptEncoder()
        self._held: dict[Trajectory, _Held] = {}
        device, dtype = torch.device(options.device), getattr(torch, options.dtype)
        loaded: dict[Path, Weights] = {}
        with _device_errors():
            for model in options.models.values():
                folder = model.folder.resolve()
                loaded[folder] = loaded.get(folder) or load(folder, device, dtype)
        self._weights = {name: loaded[model.folder.resolve()] for name, model in options.models.items()}

    def grid(self, model: str) -> int:
        """Sizes of this model are multiples of so many pixels."""
        return self._weights[model].grid

    def step(self, trajectory: Trajectory) -> None:
        """Move the trajectory by one step, taking it in before its first. Raises OutOfMemory or RequestRejected."""
        started = time.perf_counter()
        with _device_errors(), torch.no_grad():
            if trajectory not in self._held:
                self._held[trajectory] = self._admit(trajectory)
            self._step(trajectory, self._held[trajectory])
            self._settle()
        trajectory.step += 1
        trajectory.seconds += time.perf_counter() - started

    def preview(self, trajectory: Trajectory) -> bytes:
        """A small JPEG of where the trajectory is heading."""
        started = time.perf_counter()
        held, weights = self._held[trajectory], self._weights[trajectory.request.model]
        assert held.velocity is not None
        sigma = held.sigmas[trajectory.first + trajectory.step]
        with _device_errors(), torch.no_grad():
            heading = held.latents - sigma.to(held.latents.dtype) * held.velocity
            small = autoencode.decode_small(weights, self._unpack(trajectory, weights, heading))
        trajectory.seconds += time.perf_counter() - started
        return to_preview(small)

    def decode(self, trajectory: Trajectory) -> MadeImage:
        """The finished picture, cut to the size asked for, as a file. The trajectory is let go."""
        started = time.perf_counter()
        request, weights = trajectory.request, self._weights[trajectory.request.model]
        with _device_errors():
            latents = self._held.pop(trajectory).latents
            picture = autoencode.decode(weights, self._unpack(trajectory, weights, latents))
        guidance = trajectory.guidance if weights.takes_guidance else None
        facts = metadata(request, trajectory.seed, trajectory.schedule_steps, guidance, self._options.name)
        content = to_file(autoencode.crop_centre(picture, request.width, request.height), request, facts)
        trajectory.seconds += time.perf_counter() - started
        return MadeImage(
            trajectory.index, content, request.format.content_type, request.width, request.height, trajectory.seed
        )

    def drop(self, trajectories: Iterable[Trajectory]) -> None:
        """Let go of trajectories that will not be finished."""
        for trajectory in trajectories:
            self._held.pop(trajectory, None)

    def _admit(self, trajectory: Trajectory) -> _Held:
        request = trajectory.request
        weights, model = self._weights[request.model], self._options.models[request.model]
        rows, columns = trajectory.canvas_height // weights.grid, trajectory.canvas_width // weights.grid
        sigmas = sampling.schedule(trajectory.schedule_steps, rows * columns, weights.schedule, weights.device)
        ids = [sampling.positions(rows, columns, weights.device, weights.dtype)]
        references = None
        if request.task is Task.EDIT:
            references, places = self._references(trajectory, weights, model)
            ids.append(places)
        guidance = None
        if weights.takes_guidance:
            guidance = torch.full([1], trajectory.guidance or 0.0, device=weights.device, dtype=torch.float32)
        return _Held(
            latents=sampling.pack(self._first_latents(trajectory, weights, sigmas)),
            sigmas=sigmas,
            prompt=self._prompts.encode(weights, request.prompt, model.max_text_tokens),
            ids=torch.cat(ids),
            references=references,
            guidance=guidance,
        )

    def _first_latents(self, trajectory: Trajectory, weights: Weights, sigmas: torch.Tensor) -> torch.Tensor:
        """Latents [1, c, h, w] at the first sigma: noise, or noise over the input image."""
        generator = torch.Generator("cpu").manual_seed(trajectory.seed)
        width, height = trajectory.canvas_width, trajectory.canvas_height
        scale = weights.pixels_per_latent
        shape = (1, weights.latent_channels, height // scale, width // scale)
        if trajectory.request.task is not Task.VARY:
            return sampling.draw(generator, shape, weights.device, weights.dtype)
        shown = autoencode.encode(weights, open_input(trajectory.inputs[0]), width, height, generator)
        drawn = sampling.draw(generator, shape, weights.device, weights.dtype)
        return sampling.mix(shown, drawn, sigmas[trajectory.first])

    def _references(
        self, trajectory: Trajectory, weights: Weights, model: ModelWeights
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens [1, m, 4c] and ids [m, 3] of all references: frame 1, further ones beside or below the first."""
        tokens, places = [], []
        bottom = right = 0
        for path in trajectory.inputs:
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

    def _step(self, trajectory: Trajectory, held: _Held) -> None:
        weights = self._weights[trajectory.request.model]
        at = trajectory.first + trajectory.step
        sigma, following = held.sigmas[at], held.sigmas[at + 1]
        seen = held.latents if held.references is None else torch.cat([held.latents, held.references], dim=1)
        # Rounded to the model's type before and after the division, as diffusers does.
        timestep = (sigma * weights.schedule["num_train_timesteps"]).expand(1).to(weights.dtype) / 1000
        velocity = weights.transformer(
            hidden_states=seen,
            timestep=timestep,
            guidance=held.guidance,
            pooled_projections=held.prompt.pooled,
            encoder_hidden_states=held.prompt.tokens,
            txt_ids=held.prompt.ids,
            img_ids=held.ids,
            return_dict=False,
        )[0]
        held.velocity = velocity[:, : held.latents.shape[1]]
        held.latents = sampling.euler_step(held.latents, held.velocity, sigma, following)

    def _unpack(self, trajectory: Trajectory, weights: Weights, latents: torch.Tensor) -> torch.Tensor:
        scale = weights.pixels_per_latent
        return sampling.unpack(latents, trajectory.canvas_height // scale, trajectory.canvas_width // scale)

    def _settle(self) -> None:
        """Wait for the device, so that a step's seconds are its own and a cancel is at most a step late."""
        if self._options.device.startswith("cuda"):
            torch.cuda.synchronize()


def sample_request(model: str, grid: int) -> GenerationRequest:
    """The smallest request worth making, to prove at start that the model works."""
    return GenerationRequest(model=model, prompt="a test", width=4 * grid, height=4 * grid, seed=0, steps=1)


@contextmanager
def _device_errors() -> Iterator[None]:
    """Foreign errors of the device as our own."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise OutOfMemory from error
    except RuntimeError as error:
        if "not enough memory" in str(error) or "can't allocate memory" in str(error):
            raise OutOfMemory from error
        raise
