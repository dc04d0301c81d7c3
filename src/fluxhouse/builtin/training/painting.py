"""Pictures to learn from, painted ahead of their use by processes beside the training; the same for the same number."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fluxhouse.builtin.painter.edits import sample_edit
from fluxhouse.builtin.painter.paint import paint
from fluxhouse.builtin.painter.sampling import Stage, sample_scene
from fluxhouse.builtin.painter.scene import as_json
from fluxhouse.builtin.training.looks import LOOKS

Pixels = NDArray[np.uint8]
_NICENESS = 5


@dataclass(frozen=True, slots=True)
class Order:
    """`count` pictures of one size, drawn with the random numbers of `seed`; `edits` asks for pairs.

    `look` is a look laid over every picture, by name.
    """

    seed: tuple[int, ...]
    stage: Stage
    count: int
    width: int
    height: int
    edits: bool = False
    look: str | None = None


@dataclass(frozen=True, slots=True)
class Painted:
    """What an order became: pictures [n, h, w, 3], for edits the pictures they start from, and what each one shows.

    `shown` holds scenes as JSON, or an edit's instruction.
    """

    pixels: Pixels
    before: Pixels | None
    shown: tuple[Any, ...]


def fulfil(order: Order) -> Painted:
    """Paint an order, here and now."""
    rng = np.random.default_rng(order.seed)
    size = (order.width, order.height)
    if order.edits:
        edits = [sample_edit(rng) for _ in range(order.count)]
        before, after = (np.stack([paint(scene, *size) for scene in side]) for side in _sides(edits))
        return Painted(after, before, tuple(edit.instruction for edit in edits))
    scenes = [sample_scene(rng, order.stage) for _ in range(order.count)]
    pixels = np.stack([paint(scene, *size) for scene in scenes])
    if order.look is not None:
        pixels = np.stack([LOOKS[order.look](picture) for picture in pixels])
    return Painted(pixels, None, tuple(as_json(scene) for scene in scenes))


def _sides(edits: list[Any]) -> tuple[list[Any], list[Any]]:
    return [edit.before for edit in edits], [edit.after for edit in edits]


class Painters(AbstractContextManager["Painters"]):
    """Processes that paint orders in turn, a few ahead of whoever takes them; none of them paints in this process."""

    def __init__(self, processes: int) -> None:
        self._pool = (
            ProcessPoolExecutor(processes, get_context("spawn"), initializer=os.nice, initargs=(_NICENESS,))
            if processes
            else None
        )
        self._ahead = 2 * processes

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def paint(self, orders: Iterable[Order]) -> Iterator[Painted]:
        """What the orders become, in their order."""
        if self._pool is None:
            yield from map(fulfil, orders)
            return
        under_way: deque[Future[Painted]] = deque()
        for order in orders:
            under_way.append(self._pool.submit(fulfil, order))
            if len(under_way) > self._ahead:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
