"""Trains a LoRA on top of the model with peft: a look that its pictures take on, whatever their words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from diffusers import FluxPipeline
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict

from fluxhouse.builtin.painter.sampling import Stage
from fluxhouse.builtin.training import batches
from fluxhouse.builtin.training import parts as folders
from fluxhouse.builtin.training.learning import Learner
from fluxhouse.builtin.training.loop import Run, Step
from fluxhouse.builtin.training.options import Options
from fluxhouse.builtin.training.transformer import flow_step, stored, write_samples
from fluxhouse.builtin.training.vocabulary import twins

_TARGETS = ["to_q", "to_k", "to_v", "to_out.0", "proj_mlp", "proj_out", "ff.net.0.proj", "ff.net.2"]


def train(options: Options, look: str, rank: int) -> None:
    """Write `loras/<look>.safetensors` into the folder, in diffusers' own format."""
    options = replace(options, stage=Stage.SCENES, edits=0.0)
    parts = folders.load(options.out, tuple(folders.FOLDERS), options.device)
    transformer = parts["transformer"]
    torch.manual_seed(options.seed)
    transformer.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=_TARGETS))
    learner = Learner({"transformer": transformer}, options.rate or 2e-3, options.updates)
    folder = options.out / "training" / f"lora-{look}"
    learner.restore(folder / "state")
    shards, same = stored(options, parts, look), twins(parts["tokenizer_2"])

    def update(number: int) -> Step:
        rng = np.random.default_rng((options.seed, 6, number))
        return flow_step(options, parts, batches.draw(parts, shards, rng, options, same, 0.0))

    def show(path: Path) -> None:
        with learner.averaged():
            write_samples(path, options, parts)

    Run(learner, folder, options).go(update, show)
    with learner.averaged():
        FluxPipeline.save_lora_weights(
            options.out / "loras",
            transformer_lora_layers={
                name: value.to(torch.bfloat16) for name, value in get_peft_model_state_dict(transformer).items()
            },
            weight_name=f"{look}.safetensors",
        )
