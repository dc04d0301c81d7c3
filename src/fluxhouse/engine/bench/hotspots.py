"""Where the time of one forward goes, by operator: ours beside diffusers'."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile

from fluxhouse.engine.bench.figures import Figures

_SHOWN = 10
_REPEATS = 3


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
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_cuda else [])]) as seen:
        work()
    own = "self_device_time_total" if on_cuda else "self_cpu_time_total"
    return {event.key: float(getattr(event, own)) for event in seen.key_averages()}
