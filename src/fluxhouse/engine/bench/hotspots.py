"""Where the time of one forward goes, by operator: ours beside diffusers'."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile

from fluxhouse.engine.bench.figures import Figures

_SHOWN = 10
_REPEATS = 3
_NAME = 60  # characters; kernels carry their templates in theirs


def hotspots(device: torch.device, works: dict[str, Callable[[], object]]) -> Figures:
    """The operators that take most in any of the works, with their share and milliseconds in each."""
    spent = {name: _by_operator(device, work) for name, work in works.items()}
    wholes = {name: sum(own.values()) for name, own in spent.items()}
    every = {operator for own in spent.values() for operator in own}
    most = sorted(every, key=lambda one: -max(own.get(one, 0.0) for own in spent.values()))[:_SHOWN]
    rows = [
        (operator, *(_cell(own.get(operator, 0.0), wholes[name]) for name, own in spent.items())) for operator in most
    ]
    rows.append(("all", *(f"{whole / 1000:.1f}" for whole in wholes.values())))
    return Figures("Where the time of a request goes, ms", ("operator", *works), tuple(rows))


def _cell(microseconds: float, whole: float) -> str:
    return f"{microseconds / 1000:.1f} ({microseconds / whole:.0%})"


def _by_operator(device: torch.device, work: Callable[[], object]) -> dict[str, float]:
    """Microseconds in each operator itself: the least of a few runs, since neighbours interrupt."""
    work()
    runs = [_once(device.type == "cuda", work) for _ in range(_REPEATS)]
    return {operator: min(run.get(operator, 0.0) for run in runs) for operator in runs[0]}


def _once(on_cuda: bool, work: Callable[[], object]) -> dict[str, float]:
    """Of a CPU's operators, or of CUDA's kernels: an operator there would count its kernels again."""
    kind = "CUDA" if on_cuda else "CPU"
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_cuda else [])]) as seen:
        work()
    own = "self_device_time_total" if on_cuda else "self_cpu_time_total"
    spent: dict[str, float] = {}
    for event in seen.key_averages():
        if event.device_type.name == kind:
            name = event.key[:_NAME]
            spent[name] = spent.get(name, 0.0) + float(getattr(event, own))
    return spent
