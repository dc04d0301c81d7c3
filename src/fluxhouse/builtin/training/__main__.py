"""The recipe's command line: `python -m fluxhouse.builtin.training PART --out FOLDER …`."""

from __future__ import annotations

import argparse
import math
import os
import shutil
import signal
import sys
import time
import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import torch

from fluxhouse.builtin.painter.sampling import Stage
from fluxhouse.builtin.training import autoencoder, parts, text, transformer
from fluxhouse.builtin.training.looks import LOOKS
from fluxhouse.builtin.training.options import Options
from fluxhouse.builtin.training.sizes import SIZES

_UPDATES = {"autoencoder": 2000, "text": 600, "transformer": 20000, "guidance": 2000, "lora": 800}
_BATCHES = {"autoencoder": 16, "text": 64, "transformer": 32, "guidance": 32, "lora": 16}


def main(arguments: Sequence[str] | None = None) -> int:
    """Train one part; returns the exit code."""
    asked = _parser().parse_args(arguments)
    if asked.niceness:
        os.nice(asked.niceness)
    if asked.threads:
        torch.set_num_threads(asked.threads)
    # A terminated run ends its painters too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # Norms keep float32 weights beside bfloat16 inputs; torch says so at each.
    warnings.filterwarnings("ignore", "Mismatch dtype between input and weight")
    options = _options(asked)
    torch.manual_seed(options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    if asked.start is not None:
        _start_from(asked.start, options.out)
    try:
        _train(asked, options)
    except parts.PartMissing as missing:
        sys.stderr.write(f"fluxhouse: {missing}\n")
        return 1
    return 0


def _train(asked: argparse.Namespace, options: Options) -> None:
    match asked.part:
        case "autoencoder":
            autoencoder.train(options)
        case "text":
            text.train(options)
        case "lora":
            # By name: peft, which it needs, comes with no extra of the package.
            import_module("fluxhouse.builtin.training.lora").train(options, asked.look, asked.rank)
        case _:
            transformer.train(options, distil=asked.part == "guidance")


def _start_from(source: Path, out: Path) -> None:
    """Copy the parts that `out` lacks."""
    for name in parts.FOLDERS:
        if (source / name).is_dir() and not (out / name).is_dir():
            shutil.copytree(source / name, out / name)


def _options(asked: argparse.Namespace) -> Options:
    return Options(
        out=asked.out,
        size=SIZES[asked.size],
        updates=asked.updates or _UPDATES[asked.part],
        until=math.inf if asked.minutes is None else time.monotonic() + 60 * asked.minutes,
        device=torch.device(asked.device),
        batch=asked.batch or _BATCHES[asked.part],
        pixels=asked.pixels,
        rate=asked.rate,
        stage=Stage(asked.stage),
        seed=asked.seed,
        painters=asked.painters,
        shards=asked.shards,
        edits=asked.edits,
        show_every=asked.show_every,
        half=asked.half,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fluxhouse builtin train",
        description="Train a part of the built-in model. The same command goes on where the last call stopped.",
    )
    add = parser.add_argument
    add("part", choices=list(_UPDATES), help="in this order; guidance folds guidance in, so that 8 steps do")
    add("--out", type=Path, required=True, help="the diffusers folder that the part is written to")
    add("--from", dest="start", type=Path, help="a folder to take the parts from that are not there yet")
    add("--size", choices=list(SIZES), default="small", help="of a new model")
    add("--stage", choices=[stage.value for stage in Stage], default=Stage.FULL.value, help="how much of the world")
    add("--updates", type=int, help="length of the training in all; may be raised later")
    add("--minutes", type=float, help="stop this call early, cleanly")
    add("--device", default="cpu", help="cpu or cuda")
    add("--threads", type=int, help="of the processor")
    add("--batch", type=int, help="pictures of usual size in an update")
    add("--pixels", type=int, default=512, help="side of a usual picture")
    add("--rate", type=float, help="learning rate at its highest")
    add("--painters", type=int, default=1, help="processes that paint; 0 paints in this one")
    add("--shards", type=int, default=200, help="files of encoded pictures, two batches each")
    add("--edits", type=float, default=0.0, help="share of edits among them")
    add("--look", choices=list(LOOKS), default="pixel-art", help="what a LoRA learns")
    add("--rank", type=int, default=8, help="of a LoRA")
    add("--seed", type=int, default=0)
    add("--niceness", type=int, default=0, help="how readily to yield the processor to others")
    add("--half", action=argparse.BooleanOptionalAction, default=True, help="bfloat16 arithmetic where that is safe")
    add("--show-every", type=int, default=500, help="updates between two contact sheets")
    return parser


if __name__ == "__main__":
    sys.exit(main())
