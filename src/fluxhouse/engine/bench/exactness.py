"""Whether results are diffusers', and whether they are the same beside others: differences, drift, digests."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from fluxhouse.engine.bench.figures import Figures, times
from fluxhouse.engine.bench.sides import Ours, Theirs
from fluxhouse.engine.bench.stream import Job
from fluxhouse.engine.rehearsal import Rehearsal
from fluxhouse.generation.request import Acceleration

_PACKS = (1, 2, 4, 8)
_REPEATS = 3


def parity(ours: Ours, theirs: Theirs, jobs: Sequence[Job], level: Acceleration = Acceleration.NONE) -> tuple[str, ...]:
    """The largest difference of latents from the pipeline's, alone and in one pack that each joins at another step."""
    expected = [theirs.make([job]) for job in jobs]
    alone = [ours.together([job], level)[0] for job in jobs]
    packed = ours.together(jobs, level)
    size = max(float(one.float().abs().max()) for one in expected)
    return (
        str(ours.weights.dtype).removeprefix("torch."),
        "with" if any(job.lora is not None for job in jobs) else "without",
        *(f"{_furthest(made, expected):.1e}" for made in (alone, packed)),
        f"{size:.1f}",
    )


def _furthest(made: Sequence[torch.Tensor], expected: Sequence[torch.Tensor]) -> float:
    return max(float((a.float() - b.float()).abs().max()) for a, b in zip(made, expected, strict=True))


def parity_figures(rows: Sequence[tuple[str, ...]]) -> Figures:
    return Figures(
        "Against diffusers at `none`: largest difference of latents",
        ("type", "LoRAs", "alone", "in a mixed pack", "largest latent"),
        tuple(rows),
        ("the aim is 0 in bfloat16 without LoRAs, and 1e-5 in float32",),
    )


def drift(ours: Ours, job: Job) -> Figures:
    """How far the levels' latents are from `none`'s, relative to their size."""
    exact = ours.together([job], Acceleration.NONE)[0].float()
    rows = []
    for level in (Acceleration.REGULAR, Acceleration.HIGH):
        made = ours.together([job], level)[0].float()
        rows.append((level.value, f"{float((made - exact).norm() / exact.norm()):.1e}"))
    note = "random weights: `high` skips as these happen to change, which says nothing of a trained model"
    return Figures("Drift from `none`", ("level", "relative difference"), tuple(rows), (note,))


def packing(ours: Ours, sizes: Sequence[int], levels: Sequence[Acceleration], text_tokens: int) -> Figures:
    """Forwards over equal segments: throughput against one at a time, and whether the bits are those of one alone."""
    rows = []
    for level in levels:
        rehearsal = Rehearsal(ours.weights, ours.packed, level, text_tokens)
        for size in sizes:
            length = (size // ours.weights.grid) ** 2
            seconds: dict[int, list[float]] = {pack: [] for pack in _PACKS}
            digests = {}
            for pack in _PACKS * _REPEATS:
                measured = rehearsal((length,) * pack)
                seconds[pack].append(measured.seconds)
                digests[pack] = set(measured.digests)
            alone = min(seconds[1])
            gains = [times(pack * alone / min(seconds[pack])) for pack in _PACKS[1:]]
            same = ", ".join(str(pack) for pack in _PACKS[1:] if digests[pack] == digests[1]) or "none"
            rows.append((level.value, f"{size} x {size}", f"{alone * 1000:.1f}", *gains, same))
    packs = tuple(f"{pack} at once" for pack in _PACKS[1:])
    columns = ("level", "picture", "ms alone", *packs, "same bits in packs of")
    return Figures("Forwards a second by packing, against one at a time", columns, tuple(rows))
