"""The only caller of the device while steps are made: takes trajectories in and steps them together.

It knows no queue and no socket. What it holds of a trajectory it keeps until that is finished or dropped.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterable, Sequence

import torch

from fluxhouse.engine import autoencode, sampling
from fluxhouse.engine.admission import Beginning, begin
from fluxhouse.engine.conditioning import Conditioning, Course
from fluxhouse.engine.device import device_errors, empty, wait_for
from fluxhouse.engine.encode import to_preview
from fluxhouse.engine.finisher import Latents
from fluxhouse.engine.firstblock import FirstBlock
from fluxhouse.engine.held import Held
from fluxhouse.engine.linears import Delta
from fluxhouse.engine.loaded import Loaded, LoadedModels, Memory
from fluxhouse.engine.lora import AdapterCache
from fluxhouse.engine.options import EngineOptions
from fluxhouse.engine.trajectory import Trajectory, truly_guided
from fluxhouse.engine.transformer import Segment
from fluxhouse.engine.weights import Weights
from fluxhouse.generation.request import Acceleration, GenerationRequest


class Runner:
    """The models of one engine on its device."""

    def __init__(self, options: EngineOptions, memory: Memory | None = None) -> None:
        """Look at every checkpoint, where no `memory` stands in for them; models are loaded when they are first used.

        Raises WeightsUnavailable.
        """
        self._options = options
        self._device, dtype = torch.device(options.device), getattr(torch, options.dtype)
        self.models = LoadedModels(options, self._device, dtype, memory)
        self._adapters = AdapterCache(options.adapter_bytes, dtype=dtype, device=options.device)
        self._held: dict[Trajectory, Held] = {}
        self._finishing: set[Trajectory] = set()

    def fits(self, trajectory: Trajectory) -> bool:
        """Whether the trajectory's model is in memory, or can be beside those of the trajectories held."""
        return self.models.fits(trajectory.request.model, self._in_use())

    def encode_prompts(self, trajectories: Sequence[Trajectory]) -> None:
        """Encode the prompts of trajectories of one model at once, for when they are admitted."""
        model = trajectories[0].request.model
        prompts = [prompt for trajectory in trajectories for prompt in _prompts(trajectory.request)]
        with device_errors(), torch.no_grad():
            text_tokens = self._options.models[model].max_text_tokens
            self.models.prompts.encode_all(self._take(model).weights, prompts, text_tokens)

    def admit(self, trajectory: Trajectory) -> None:
        """Take a trajectory in where it is new. Raises OutOfMemory, RequestRejected or WeightsUnavailable."""
        if trajectory in self._held:
            return
        started = time.perf_counter()
        with device_errors(), torch.no_grad():
            self._held[trajectory] = self._hold(trajectory, self._take(trajectory.request.model))
        trajectory.seconds += time.perf_counter() - started

    def step(self, trajectories: Sequence[Trajectory]) -> None:
        """Move trajectories of one lane by one step each. Where it raises, none has moved. Raises as `admit` does."""
        for trajectory in trajectories:
            self.admit(trajectory)
        started = time.perf_counter()
        held = [self._held[trajectory] for trajectory in trajectories]
        places = [trajectory.first + trajectory.step for trajectory in trajectories]
        with device_errors(), torch.no_grad():
            segments = [one.segments(place) for one, place in zip(held, places, strict=True)]
            velocities = iter(self._forward(trajectories[0], [segment for own in segments for segment in own]))
            moves = [
                one.moved(own, [next(velocities) for _ in own], trajectory.request.true_guidance or 1.0)
                for trajectory, one, own in zip(trajectories, held, segments, strict=True)
            ]
            wait_for(self._device)
        for one, move in zip(held, moves, strict=True):
            one.take(move)
        seconds = time.perf_counter() - started
        tokens = sum(trajectory.tokens for trajectory in trajectories)
        for trajectory in trajectories:
            trajectory.step += 1
            trajectory.seconds += seconds * trajectory.tokens / tokens
        first = trajectories[0]
        if first.step > 1:  # The first step sets up what later ones find ready: its time says little.
            self._rehearse(first, seconds * first.tokens / tokens)

    def preview(self, trajectory: Trajectory) -> bytes:
        """A small JPEG of where the trajectory is heading."""
        started = time.perf_counter()
        weights = self._take(trajectory.request.model).weights
        with device_errors(), torch.no_grad():
            heading = self._held[trajectory].heading(trajectory.first + trajectory.step)
            small = autoencode.decode_small(weights, _unpack(trajectory, weights, heading))
        trajectory.seconds += time.perf_counter() - started
        return to_preview(small)

    def let_go(self, trajectory: Trajectory) -> Latents:
        """A finished trajectory's latents; only its model is held until it is dropped."""
        weights = self._take(trajectory.request.model).weights
        self._finishing.add(trajectory)
        return Latents(trajectory, weights, _unpack(trajectory, weights, self._held.pop(trajectory).latents))

    def drop(self, trajectories: Iterable[Trajectory]) -> None:
        """Let go of trajectories that are done with."""
        for trajectory in trajectories:
            self._held.pop(trajectory, None)
            self._finishing.discard(trajectory)

    def make_room(self) -> None:
        """Give up what can be made again, after the device had not enough memory."""
        self.models.prompts.forget()
        empty(self._device)

    def _rehearse(self, trajectory: Trajectory, step_seconds: float) -> None:
        """Measure the trajectory's lane where that is due: its step is made, so that nobody pays where this fails."""
        try:
            self.models.rehearse(trajectory, self._take(trajectory.request.model), step_seconds)
            return
        except Exception:
            traceback.print_exc()
        # Only now is what the failed attempt held given back.
        self.make_room()

    def _hold(self, trajectory: Trajectory, loaded: Loaded) -> Held:
        beginning = begin(trajectory, loaded.weights, self._options.models[trajectory.request.model])
        # The images of a request differ in nothing that their conditionings hold.
        twin = next((held for other, held in self._held.items() if other.number == trajectory.number), None)
        conditionings = twin.conditionings if twin else self._condition(trajectory, loaded, beginning)
        high = trajectory.request.acceleration is Acceleration.HIGH
        memories = tuple(FirstBlock(self._options.skip_threshold) if high else None for _ in conditionings)
        return Held(beginning, beginning.latents, conditionings, memories)

    def _condition(self, trajectory: Trajectory, loaded: Loaded, beginning: Beginning) -> tuple[Conditioning, ...]:
        """A conditioning for each segment."""
        request, weights = trajectory.request, loaded.weights
        adapters = [(self._adapters.get(path, loaded.shapes), scale) for path, scale in trajectory.adapters]
        times = beginning.sigmas[:-1] * weights.schedule["num_train_timesteps"]
        guidance = (trajectory.guidance or 0.0) if weights.takes_guidance else None
        text_tokens = self._options.models[request.model].max_text_tokens
        return tuple(
            Conditioning(
                weights.transformer,
                prompt.tokens[0],
                beginning.ids,
                Course(times, guidance, prompt.pooled),
                [Delta(adapter.deltas, scale) for adapter, scale in adapters if scale],
                exact=request.acceleration is Acceleration.NONE,
            )
            for prompt in self.models.prompts.encode_all(weights, _prompts(request), text_tokens)
        )

    def _forward(self, trajectory: Trajectory, segments: Sequence[Segment]) -> list[torch.Tensor]:
        """The velocities of all segments: in one forward where that is allowed, else one after the other."""
        packed, level = self._take(trajectory.request.model).packed, trajectory.request.acceleration
        tokens = sum(sum(segment.conditioning.sizes) for segment in segments)
        if tokens <= self.models.pack_tokens(trajectory):
            return packed.forward(segments, level)
        return [packed.forward([segment], level)[0] for segment in segments]

    def _take(self, model: str) -> Loaded:
        return self.models.take(model, self._in_use())

    def _in_use(self) -> set[str]:
        return {trajectory.request.model for trajectory in (*self._held, *self._finishing)}


def sample_request(model: str, grid: int) -> GenerationRequest:
    """The smallest request worth making, to prove at start that the model works."""
    return GenerationRequest(model=model, prompt="a test", width=4 * grid, height=4 * grid, seed=0, steps=2)


def _prompts(request: GenerationRequest) -> list[str]:
    """The prompt of each segment."""
    negative = [request.negative_prompt or ""] if truly_guided(request) else []
    return [request.prompt, *negative]


def _unpack(trajectory: Trajectory, weights: Weights, latents: torch.Tensor) -> torch.Tensor:
    scale = weights.pixels_per_latent
    return sampling.unpack(latents, trajectory.canvas_height // scale, trajectory.canvas_width // scale)
