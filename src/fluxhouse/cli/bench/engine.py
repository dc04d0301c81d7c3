"""`fluxhouse bench engine`: our engine against diffusers, over the same random weights, in one interleaved run."""

from __future__ import annotations

import tempfile
import time
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from fluxhouse.assembly import require_engine_packages
from fluxhouse.cli.opening import Refusal
from fluxhouse.cli.tables import show, table


class Device(StrEnum):
    """Where is measured."""

    CPU = "cpu"
    CUDA = "cuda"


class Size(StrEnum):
    """Which architecture: the last two are FLUX.1's own, and for a GPU."""

    TINY = "tiny"
    SMALL = "small"
    DEV = "dev"
    SCHNELL = "schnell"


class Type(StrEnum):
    """The numbers that are computed with."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


def engine(
    device: Annotated[Device, typer.Option(help="Where to measure.")] = Device.CPU,
    architecture: Annotated[
        list[Size] | None, typer.Option(help="Sizes of the model; may be given again. [small; on cuda: dev, schnell]")
    ] = None,
    dtype: Annotated[Type | None, typer.Option(help="[float32; on cuda: bfloat16]")] = None,
    rounds: Annotated[int, typer.Option(help="Times that everything is measured; medians are shown.", min=1)] = 3,
    jobs: Annotated[int | None, typer.Option(help="Jobs in a stream. [24; on cuda: 12]", min=2)] = None,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.", min=0)] = 1,
    threads: Annotated[int, typer.Option(help="Threads of torch on a CPU.", min=1)] = 1,
    only: Annotated[
        str, typer.Option(help="Parts with commas between them: parity, one, stream, loop, packing, profile.")
    ] = "",
) -> None:
    """One request, mixed streams, cancel, the loop's overhead, packing, parity and a profile, against diffusers.

    Weights are random, of a real architecture, and made in memory. On a CPU time is the processor's own, so that
    neighbours on the machine count for little. On a GPU it is meant to take less than ten
    minutes: all of `dev`, and of `schnell` one request.
    """
    require_engine_packages()
    bench = import_module("fluxhouse.engine.bench.run")
    if device.value not in bench.devices():
        raise Refusal(f"--device {device.value}: torch finds none here; there is {', '.join(bench.devices())}")
    parts = tuple(part.strip() for part in only.split(",") if part.strip()) or bench.PARTS
    if unknown := [part for part in parts if part not in bench.PARTS]:
        raise Refusal(f"--only takes {', '.join(bench.PARTS)}, not {', '.join(unknown)}")
    on_cuda = device is Device.CUDA
    sizes = architecture or ([Size.DEV, Size.SCHNELL] if on_cuda else [Size.SMALL])
    count = jobs or (12 if on_cuda else 24)
    numbers = dtype or (Type.BFLOAT16 if on_cuda else Type.FLOAT32)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fluxhouse-bench-") as folder:
        for size in sizes:
            own = ("one",) if size is Size.SCHNELL and not (architecture or only) else parts
            wanted = (device.value, size.value, numbers.value, rounds, count, seed, threads, Path(folder), own)
            for figures in bench.run(bench.Plan(*wanted)):
                _print(figures)
    typer.echo(f"{time.monotonic() - started:.0f} s in all")


def _print(figures: Any) -> None:
    typer.echo(figures.title)
    lines = table(*figures.columns)
    for row in figures.rows:
        lines.add_row(*row)
    show(lines)
    for note in figures.notes:
        typer.echo(f"  {note}")
    typer.echo()
