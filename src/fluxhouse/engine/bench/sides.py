"""The two that are compared: our scheduler, stepper and runner, and diffusers' pipeline, over the same tensors."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
from PIL import Image
from safetensors.torch import save_file

from fluxhouse.engine import sampling
from fluxhouse.engine.bench.architectures import Architecture, RandomPrompts, Resident
from fluxhouse.engine.bench.stream import Job, Served
from fluxhouse.engine.finisher import Latents, decode
from fluxhouse.engine.loaded import Loaded, LoadedModels
from fluxhouse.engine.lora import linear_shapes
from fluxhouse.engine.options import EngineOptions, ModelWeights
from fluxhouse.engine.runner import Runner
from fluxhouse.engine.scheduler import Scheduler
from fluxhouse.engine.stepper import Stepper
from fluxhouse.engine.trajectory import Trajectory, plan
from fluxhouse.engine.transformer import PackedTransformer, Segment
from fluxhouse.engine.weights import Weights
from fluxhouse.generation.errors import PlatformError
from fluxhouse.generation.request import Acceleration, GenerationRequest, Lora

MODEL = "random"
GUIDANCE = 3.5
LORA_SCALE = 0.8
_RANK = 8
_NEVER = -1.0  # no change is as small


@dataclass(frozen=True, slots=True)
class Clock:
    """Seconds of work on a device: the processor's own on a CPU, whatever neighbours do; elapsed ones on CUDA."""

    device: torch.device

    def now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            return time.perf_counter()
        return time.process_time()

    def spent(self, work: Callable[[], object]) -> float:
        """How long a piece of work takes."""
        started = self.now()
        work()
        return self.now() - started


class TimedTransformer(PackedTransformer):
    """The packed forward, and the seconds spent in it since the start."""

    def __init__(self, model: Any, compiled: bool, clock: Clock) -> None:
        super().__init__(model, compiled)
        self._clock, self.seconds = clock, 0.0

    def forward(self, segments: Sequence[Segment], level: Acceleration) -> list[torch.Tensor]:
        started = self._clock.now()
        made = super().forward(segments, level)
        self.seconds += self._clock.now() - started
        return made


class _Models(LoadedModels):
    """The one model, with a forward that is timed."""

    def __init__(self, options: EngineOptions, weights: Weights, packed: TimedTransformer) -> None:
        super().__init__(options, weights.device, weights.dtype, Resident(weights))
        self._only = Loaded(weights, packed, linear_shapes(weights.transformer))

    def take(self, _model: str, _in_use: Collection[str]) -> Loaded:
        return self._only


class Ours:
    """The engine's own parts in this process; only the link to another process is left out."""

    def __init__(
        self,
        weights: Weights,
        architecture: Architecture,
        loras: Sequence[Path] = (),
        *,
        compiled: bool = False,
        skip_threshold: float = 0.08,
        packed: TimedTransformer | None = None,
    ) -> None:
        self.weights, self.clock = weights, Clock(weights.device)
        self._architecture, self._loras = architecture, tuple(loras)
        model = ModelWeights(Path(MODEL), architecture.steps, GUIDANCE, architecture.text_tokens)
        self.options = EngineOptions(
            {MODEL: model},
            device=str(weights.device),
            dtype=str(weights.dtype).removeprefix("torch."),
            packing="always",
            compiled=compiled,
            skip_threshold=skip_threshold,
        )
        self.runner = Runner(self.options, Resident(weights))
        self.packed = packed or TimedTransformer(weights.transformer, compiled, self.clock)
        self.runner.models = _Models(self.options, weights, self.packed)
        self.runner.models.prompts = RandomPrompts(architecture)

    def without_cache(self) -> Ours:
        """The same over the same forward, whose first-block cache never skips."""
        return Ours(self.weights, self._architecture, self._loras, skip_threshold=_NEVER, packed=self.packed)

    def request(self, job: Job, level: Acceleration) -> tuple[GenerationRequest, tuple[Path, ...]]:
        """What the engine is asked for, and the files that go with it."""
        files = () if job.lora is None else (self._loras[job.lora],)
        asked = GenerationRequest(
            model=MODEL,
            prompt=f"picture {job.number}",
            width=job.width,
            height=job.height,
            seed=job.seed,
            steps=job.steps,
            acceleration=level,
            loras=tuple(Lora(str(file), LORA_SCALE) for file in files),
        )
        return asked, files

    def trajectory(self, job: Job, level: Acceleration) -> Trajectory:
        request, files = self.request(job, level)
        return plan(job.number, request, files, self.options.models[MODEL], self.weights.grid)[0]

    def together(self, jobs: Sequence[Job], level: Acceleration) -> list[torch.Tensor]:
        """Latents [1, n, 4c] of jobs that share every forward, each joining one step after the one before."""
        coming = [self.trajectory(job, level) for job in jobs]
        every = list(coming)
        going: list[Trajectory] = []
        while coming or going:
            going += coming[:1]
            del coming[:1]
            self.runner.step(going)
            going = [one for one in going if not one.finished]
        return [sampling.pack(self._let_go(one).latents) for one in every]

    def picture(self, job: Job, level: Acceleration) -> Image.Image:
        """The decoded picture of one job."""
        one = self.trajectory(job, level)
        while not one.finished:
            self.runner.step([one])
        return decode(self._let_go(one))

    def serve(self, jobs: Sequence[Job], level: Acceleration, *, proven: bool) -> Served:
        """A stream as the engine's process serves it: choose, step, take in what has come, and so on.

        Where `proven`, packs are as large as results were seen to be the same, and else as large as memory allows.
        """
        models = self.runner.models

        def most(one: Trajectory) -> int:
            return min(models.pack_tokens(one), models.profile(one).proven_tokens if proven else 2**31)

        scheduler = Scheduler(models.profile, most)
        stepper = Stepper(self.runner, scheduler, _refuse)
        coming = sorted(jobs, key=lambda job: -job.arrival)
        clock = busy = 0.0
        ends: dict[int, float] = {}
        while coming or len(scheduler):
            if not len(scheduler):
                clock = max(clock, coming[-1].arrival)
            started = self.clock.now()
            while coming and coming[-1].arrival <= clock:
                scheduler.add([self.trajectory(coming.pop(), level)])
            finished = [one for one in stepper.step(scheduler.choose(self.runner.fits)) if one.finished]
            for one in finished:
                scheduler.remove(one)
                self._let_go(one)
            seconds = self.clock.now() - started
            clock, busy = clock + seconds, busy + seconds
            ends |= {one.number: clock for one in finished}
        return Served(ends, busy)

    def _let_go(self, one: Trajectory) -> Latents:
        latents = self.runner.let_go(one)
        self.runner.drop([one])
        return latents


def _refuse(_trajectory: Trajectory, error: PlatformError) -> None:
    raise error


class Theirs:
    """`FluxPipeline` with a transformer of its own over our tensors, so that LoRAs in it do not reach ours."""

    def __init__(self, weights: Weights, architecture: Architecture, loras: Sequence[Path] = ()) -> None:
        self.clock, self._weights = Clock(weights.device), weights
        self._prompts, self._length = RandomPrompts(architecture), architecture.text_tokens
        with torch.device("meta"):
            transformer = FluxTransformer2DModel.from_config(weights.transformer.config)
        transformer.load_state_dict(weights.transformer.state_dict(), assign=True)
        # Its rotary tables are no part of the state, and were made where nothing is stored.
        transformer.pos_embed = weights.transformer.pos_embed
        transformer.eval().requires_grad_(False)
        scheduler = FlowMatchEulerDiscreteScheduler.from_config(weights.schedule)
        nothing = dict.fromkeys(("text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2"))
        self._pipeline = FluxPipeline(scheduler=scheduler, vae=weights.vae, transformer=transformer, **nothing)
        self._pipeline.set_progress_bar_config(disable=True)
        self._lora: int | None = None
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Already found a `peft_config`")
            for number, file in enumerate(loras):
                self._pipeline.load_lora_weights(str(file.parent), weight_name=file.name, adapter_name=f"lora{number}")
        if loras:
            self._pipeline.disable_lora()

    def compile(self) -> None:
        """Have torch compile every block, as diffusers' own documents advise."""
        self._pipeline.transformer.compile_repeated_blocks()

    def make(self, jobs: Sequence[Job], *, decoded: bool = False) -> Any:
        """Latents [b, n, 4c], or pictures, of jobs of one kind and LoRA, in one call."""
        self._switch(jobs[0].lora)
        words = [f"picture {job.number}" for job in jobs]
        prompts = self._prompts.encode_all(self._weights, words, self._length)
        made = self._pipeline(
            prompt_embeds=torch.cat([prompt.tokens for prompt in prompts]),
            pooled_prompt_embeds=torch.cat([prompt.pooled for prompt in prompts]),
            width=jobs[0].width,
            height=jobs[0].height,
            num_inference_steps=jobs[0].steps,
            guidance_scale=GUIDANCE,
            generator=[torch.Generator("cpu").manual_seed(job.seed) for job in jobs],
            output_type="pil" if decoded else "latent",
        )
        return made.images

    def seconds(self, jobs: Sequence[Job]) -> float:
        """How long making them takes, without decoding."""
        return self.clock.spent(lambda: self.make(jobs))

    def _switch(self, lora: int | None) -> None:
        if lora == self._lora:
            return
        if lora is None:
            self._pipeline.disable_lora()
        else:
            self._pipeline.enable_lora()
            self._pipeline.set_adapters([f"lora{lora}"], [LORA_SCALE])
        self._lora = lora


def random_loras(weights: Weights, count: int, folder: Path) -> list[Path]:
    """LoRA files of rank 8 on every attention layer."""
    generator = torch.Generator().manual_seed(count)
    files = []
    for number in range(count):
        tensors = {}
        for name, (out, into) in linear_shapes(weights.transformer).items():
            if ".attn." in name:
                tensors[f"transformer.{name}.lora_A.weight"] = torch.randn(_RANK, into, generator=generator) * 0.1
                tensors[f"transformer.{name}.lora_B.weight"] = torch.randn(out, _RANK, generator=generator) * 0.1
        files.append(folder / f"lora{number}.safetensors")
        save_file(tensors, files[-1])
    return files
