"""Makes the tokenizers and teaches both text encoders to name what a caption's picture shows, before any picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fluxhouse.builtin.captions import caption
from fluxhouse.builtin.painter.edits import sample_edit
from fluxhouse.builtin.painter.sampling import Stage, sample_scene
from fluxhouse.builtin.painter.scene import Scene, as_json
from fluxhouse.builtin.training import parts as folders
from fluxhouse.builtin.training.architecture import new_clip, new_schedule, new_t5
from fluxhouse.builtin.training.flow import spell
from fluxhouse.builtin.training.learning import Learner
from fluxhouse.builtin.training.loop import Run, Step
from fluxhouse.builtin.training.options import Options
from fluxhouse.builtin.training.vocabulary import clip_tokenizer, t5_tokenizer, twins

_READ = 8_000
"""Captions whose words make the vocabulary."""

_SCENES = 2_000
"""Scenes whose attributes are the ones that heads learn."""

_UNSAID = -100  # What cross entropy ignores.


class Heads(nn.Module):
    """Names an attribute's value from either encoder's features: one linear layer for each attribute."""

    def __init__(self, width: int, values: Mapping[str, tuple[str, ...]]) -> None:
        super().__init__()
        self._values = dict(values)
        total = sum(len(some) for some in values.values())
        self.pooled, self.tokens = nn.Linear(width, total), nn.Linear(width, total)

    def loss(self, pooled: Tensor, tokens: Tensor, scenes: list[dict[str, str]]) -> Tensor:
        """Mean cross entropy of all attributes that the scenes have, of features [n, w] and [n, t, w]."""
        total = torch.zeros((), device=pooled.device)
        widths = [len(some) for some in self._values.values()]
        for logits in (self.pooled(pooled), self.tokens(tokens.mean(dim=1))):
            for (name, known), part in zip(self._values.items(), logits.split(widths, dim=1), strict=True):
                wanted = [known.index(scene[name]) if scene.get(name) in known else _UNSAID for scene in scenes]
                if any(number != _UNSAID for number in wanted):
                    targets = torch.tensor(wanted, device=pooled.device)
                    total = total + functional.cross_entropy(part.float(), targets, ignore_index=_UNSAID)
        return total / (2 * len(widths))


def train(options: Options) -> None:
    """Write both tokenizers and the schedule where they are missing, then train both encoders and write them."""
    _make_tokenizers(options)
    parts = folders.load(options.out, ("tokenizer", "tokenizer_2"), options.device)
    clip, t5 = new_clip(options.size, parts["tokenizer"]), new_t5(options.size, parts["tokenizer_2"])
    heads = Heads(options.size.text, _values(options))
    networks = {"clip": clip, "t5": t5, "heads": heads}
    for network in networks.values():
        network.to(options.device).train()
    learner = Learner(networks, options.rate or 1e-3, options.updates)
    folder = options.out / "training" / "text"
    learner.restore(folder / "state")
    same = twins(parts["tokenizer_2"])

    def update(number: int) -> Step:
        captions, scenes = _captioned(options, number)
        words = spell(parts, captions, same)
        with options.autocast():
            pooled, tokens = clip(words.clip.to(options.device)).pooler_output, t5(words.t5.to(options.device))[0]
            loss = heads.loss(pooled, tokens, scenes)
        return Step(loss, len(captions))

    Run(learner, folder, options).go(update)
    with learner.averaged():
        _write(options.out, clip, t5, same)


def _write(folder: Path, clip: Any, t5: Any, same: Tensor) -> None:
    """Both encoders; capitals get the embeddings of their small twins."""
    with torch.no_grad():
        t5.shared.weight.copy_(t5.shared.weight[same.to(t5.device)])
    folders.write(folder, "text_encoder", clip)
    folders.write(folder, "text_encoder_2", t5)


def _make_tokenizers(options: Options) -> None:
    if (options.out / "tokenizer_2").is_dir():
        return
    captions = list(_sentences(options.seed))
    folders.write(options.out, "tokenizer", clip_tokenizer(captions))
    folders.write(options.out, "tokenizer_2", t5_tokenizer(captions))
    folders.write(options.out, "scheduler", new_schedule())


def _sentences(seed: int) -> Iterator[str]:
    """Captions and instructions of the whole world, whatever the stage: words are learnt once."""
    rng = np.random.default_rng((seed, 2))
    for number in range(_READ):
        yield sample_edit(rng).instruction if number % 4 == 0 else caption(sample_scene(rng, Stage.FULL), rng)


def _values(options: Options) -> dict[str, tuple[str, ...]]:
    """Every attribute of scenes and the values it takes."""
    rng = np.random.default_rng((options.seed, 3))
    found: dict[str, set[str]] = {}
    for _ in range(_SCENES):
        for name, value in attributes(sample_scene(rng, options.stage)).items():
            found.setdefault(name, set()).add(value)
    return {name: tuple(sorted(values)) for name, values in sorted(found.items()) if len(values) > 1}


def attributes(scene: Scene) -> dict[str, str]:
    """What a scene's words say, by the path to them: `subject.shapes.0.colour` -> `red`."""
    found: dict[str, str] = {}

    def walk(path: str, value: Any) -> None:
        if isinstance(value, str):
            found[path] = str(value)
        elif isinstance(value, dict):
            for name, inner in value.items():
                walk(f"{path}.{name}" if path else name, inner)
        elif isinstance(value, list | tuple):
            found[f"{path}.count"] = str(len(value))
            for number, inner in enumerate(value):
                walk(f"{path}.{number}", inner)

    walk("", as_json(scene))
    return found


def _captioned(options: Options, number: int) -> tuple[list[str], list[dict[str, str]]]:
    rng = np.random.default_rng((options.seed, 4, number))
    scenes = [sample_scene(rng, options.stage) for _ in range(options.batch)]
    return [caption(scene, rng) for scene in scenes], [attributes(scene) for scene in scenes]
