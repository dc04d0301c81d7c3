"""Trains the transformer by flow matching, over text encoders that stand, then folds guidance into its own input."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fluxhouse.builtin.training import batches, flow, latents
from fluxhouse.builtin.training import parts as folders
from fluxhouse.builtin.training.ahead import Ahead
from fluxhouse.builtin.training.architecture import new_transformer
from fluxhouse.builtin.training.batches import UNCAPTIONED, Batch
from fluxhouse.builtin.training.flow import Conditions, Words
from fluxhouse.builtin.training.latents import Plan, Shard
from fluxhouse.builtin.training.learning import Learner
from fluxhouse.builtin.training.loop import Run, Step, say
from fluxhouse.builtin.training.options import Options
from fluxhouse.builtin.training.painting import Painters
from fluxhouse.builtin.training.parts import Parts
from fluxhouse.builtin.training.sheets import write_sheet
from fluxhouse.builtin.training.vocabulary import twins

STEPS = 8

PROMPTS = (
    "a red circle on a white background",
    "a large blue square on a yellow background",
    "a small green star in the top left corner on black",
    "a pink triangle on the right, teal background",
    "A sunset over a mountain range",
    "a lighthouse by the sea at night",
    "snowy hills at dawn",
    "a city skyline at dusk",
)


def train(options: Options, distil: bool) -> None:
    """Train on from what the folder holds, or from a new transformer; `distil` is the last phase, guidance."""
    parts = folders.load(options.out, tuple(name for name in folders.FOLDERS if name != "transformer"), options.device)
    parts.loaded["transformer"] = _transformer(options)
    folder = options.out / "training" / ("guidance" if distil else "transformer")
    teacher = _teacher(options, parts, folder / "teacher") if distil else None
    transformer = parts["transformer"].to(options.device).train().requires_grad_(True)
    rate = options.rate or (2e-4 if distil else 1e-3)
    learner = Learner({"transformer": transformer}, rate, options.updates)
    learner.restore(folder / "state")
    shards = stored(options, parts)
    same = twins(parts["tokenizer_2"])

    def draw(number: int) -> Batch:
        rng = np.random.default_rng((options.seed, 5, number))
        return batches.draw(parts, shards, rng, options, same, 0.0 if distil else UNCAPTIONED)

    def show(path: Path) -> None:
        with learner.averaged():
            write_samples(path, options, parts)

    with Ahead(draw) as drawn:
        Run(learner, folder, options).go(lambda number: flow_step(options, parts, drawn(number), teacher), show)
    with learner.averaged():
        folders.write(options.out, "transformer", transformer)


def _transformer(options: Options) -> Any:
    if (options.out / "transformer").is_dir():
        return folders.load(options.out, ("transformer",), options.device)["transformer"]
    return new_transformer(options.size)


def _teacher(options: Options, parts: Parts, folder: Path) -> Parts:
    """The model as it was before guidance: set aside at the first call, since its folder will be written anew."""
    if not (folder / "transformer").is_dir():
        shutil.copytree(options.out / "transformer", folder / "transformer")
    return Parts(parts.loaded | folders.load(folder, ("transformer",), options.device).loaded, options.device)


def stored(options: Options, parts: Parts, look: str | None = None) -> list[Shard]:
    """The store's shards in memory; what is missing is painted first, as far as this call's time goes."""
    tokens = options.tokens(parts.grid)
    plan = Plan(options.stage, options.seed, tokens, 2 * options.batch, options.edits, look)
    folder = options.out / "training" / f"latents-{look or options.stage}"
    with Painters(options.painters) as painters:
        for number in latents.fill(folder, plan, options.shards, parts, painters):
            if number % 20 == 0:
                say(f"painted and encoded shard {number} of {options.shards}")
            if options.over:
                return []
    return latents.read(folder, range(options.shards))


def flow_step(options: Options, parts: Parts, batch: Batch, teacher: Parts | None = None) -> Step:
    """Distance between the velocity the model sees in a batch and the true one, or its teacher's guided one."""
    batch = batch.to(options.device)
    noisy = flow.noisy_at(batch.clean, batch.noise, batch.sigma)
    with options.autocast():
        conditions = flow.read(parts, batch.words, batch.guidance, batch.reference)
        seen = flow.velocity(parts, noisy, batch.sigma, conditions, batch.size)
        wanted = batch.noise - batch.clean if teacher is None else _guided(teacher, noisy, batch)
    return Step(functional.mse_loss(seen.float(), wanted.float()), len(batch))


@torch.no_grad()
def _guided(teacher: Parts, noisy: Tensor, batch: Batch) -> Tensor:
    """The teacher's velocity, pushed away from what it sees without words as strongly as guidance says."""
    silence = flow.spell(teacher, [""])
    unsaid = Words(silence.clip.expand_as(batch.words.clip), silence.t5.expand_as(batch.words.t5))
    told, untold = (_seen(teacher, noisy, batch, words) for words in (batch.words, unsaid))
    return untold + batch.guidance[:, None, None] * (told - untold)


def _seen(teacher: Parts, noisy: Tensor, batch: Batch, words: Words) -> Tensor:
    conditions: Conditions = flow.read(teacher, words, torch.ones_like(batch.guidance), batch.reference)
    return flow.velocity(teacher, noisy, batch.sigma, conditions, batch.size)


@torch.no_grad()
def write_samples(path: Path, options: Options, parts: Parts, prompts: Sequence[str] = PROMPTS) -> None:
    """A sheet of four pictures for each prompt."""
    side = options.pixels // parts.grid * 2
    rows = []
    for seed, prompt in enumerate(prompts):
        made = flow.sample(parts, [prompt] * 4, (side, side), STEPS, 3.5, seed)
        rows.append((prompt, list(folders.decode(parts, made))))
    write_sheet(path, rows)
