"""The way from latents to a file, beside the steps of others: one thread decodes, two write files."""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import torch
from PIL import Image

from fluxhouse.engine import autoencode
from fluxhouse.engine.device import beside, device_errors, empty
from fluxhouse.engine.encode import metadata, to_file
from fluxhouse.engine.safety import Checker
from fluxhouse.engine.trajectory import Trajectory
from fluxhouse.engine.watch import Watch
from fluxhouse.engine.weights import Weights
from fluxhouse.generation.errors import GenerationFailed, OutOfMemory, PlatformError
from fluxhouse.generation.image import MadeImage


@dataclass(frozen=True, slots=True, eq=False)
class Latents:
    """A finished trajectory's latents [1, c, h, w], and the weights to decode them with."""

    trajectory: Trajectory
    weights: Weights
    latents: torch.Tensor


Outcome = MadeImage | PlatformError
_Result = TypeVar("_Result")


class Finisher:
    """Turns latents into files in threads of its own, small pictures first, and tells `done` from there."""

    def __init__(
        self,
        served_by: str,
        done: Callable[[Trajectory, Outcome], None],
        watch: Watch,
        checker: Checker | None = None,
    ) -> None:
        self._served_by = served_by
        self._done = done
        self._watch = watch
        self._checker = checker
        self._numbers = itertools.count()
        self._waiting: queue.PriorityQueue[tuple[int, int, Latents]] = queue.PriorityQueue()
        self._writers = ThreadPoolExecutor(2, "write")
        threading.Thread(target=self._decode_all, name="decode", daemon=True).start()

    def finish(self, latents: Latents) -> None:
        """Have them decoded and written; `done` is told of the image, or of why there is none."""
        self._waiting.put((latents.latents.numel(), next(self._numbers), latents))

    def _decode_all(self) -> None:
        while True:
            _, _, latents = self._waiting.get()
            checked = self._guarded(latents.trajectory, partial(self._checked, latents))
            if checked is not None:
                self._writers.submit(self._write, latents, *checked)

    def _checked(self, latents: Latents) -> tuple[Image.Image, bool]:
        """The picture and False, or a black one in its place and True where it is withheld."""
        picture, checker, trajectory = decode(latents), self._checker, latents.trajectory
        if checker is None:
            return picture, False
        started, tolerance = time.perf_counter(), trajectory.request.tolerance
        withheld = _at_second_try(lambda: checker.withholds(picture, tolerance), latents.weights.device)
        trajectory.seconds += time.perf_counter() - started
        return (Image.new("RGB", picture.size) if withheld else picture), withheld

    def _write(self, latents: Latents, picture: Image.Image, withheld: bool) -> None:
        made = self._guarded(latents.trajectory, partial(write, latents, picture, self._served_by, withheld))
        if made is not None:
            self._done(latents.trajectory, made)

    def _guarded(self, trajectory: Trajectory, work: Callable[[], _Result]) -> _Result | None:
        try:
            # What its steps took says how slow the device is: no picture takes as long to decode.
            with self._watch.over("a picture", trajectory.seconds):
                return work()
        except PlatformError as error:
            self._done(trajectory, _alone(error))
        except Exception:
            # The outermost frame of a thread: one picture must not end the others.
            traceback.print_exc()
            self._done(trajectory, GenerationFailed())
        return None


def _alone(error: PlatformError) -> PlatformError:
    """The error without where it was raised and what from: their frames hold tensors for as long as it waits."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def decode(latents: Latents) -> Image.Image:
    """The picture, cut to the size asked for. Raises OutOfMemory at the second time, or GenerationFailed."""
    started = time.perf_counter()
    picture = _at_second_try(lambda: _decode(latents), latents.weights.device)
    latents.trajectory.seconds += time.perf_counter() - started
    request = latents.trajectory.request
    return autoencode.crop_centre(picture, request.width, request.height)


def _at_second_try(work: Callable[[], _Result], device: torch.device) -> _Result:
    """What the work gives, tried again where memory was lacking."""
    with contextlib.suppress(OutOfMemory):
        return work()
    # A step beside it may have taken what it lacked; what the failed attempt held is given back only now.
    empty(device)
    return work()


def _decode(latents: Latents) -> Image.Image:
    with device_errors(), beside(latents.weights.device):
        return autoencode.decode(latents.weights, latents.latents)


def write(latents: Latents, picture: Image.Image, served_by: str, withheld: bool = False) -> MadeImage:
    """The picture as a file that says how it was made, or the one in the place of what is `withheld`."""
    trajectory, request = latents.trajectory, latents.trajectory.request
    guidance = trajectory.guidance if latents.weights.takes_guidance else None
    facts = metadata(request, trajectory.seed, trajectory.schedule_steps, guidance, served_by)
    kind, size = request.format.content_type, (request.width, request.height)
    content = to_file(picture, request, facts)
    return MadeImage(trajectory.index, content, kind, *size, trajectory.seed, nsfw=withheld, withheld=withheld)
