"""Steps a pack so that what goes wrong with one trajectory ends no other: each fails by itself, with a typed error."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Sequence
from functools import partial

from fluxhouse.engine.runner import Runner
from fluxhouse.engine.scheduler import Scheduler
from fluxhouse.engine.trajectory import Trajectory
from fluxhouse.generation.errors import GenerationFailed, OutOfMemory, PlatformError


class Stepper:
    """The runner with a net under it. `failed` is told of a trajectory whose request cannot be made, and forgets it."""

    def __init__(
        self, runner: Runner, scheduler: Scheduler, failed: Callable[[Trajectory, PlatformError], None]
    ) -> None:
        self._runner = runner
        self._scheduler = scheduler
        self._failed = failed

    def step(self, pack: Sequence[Trajectory]) -> list[Trajectory]:
        """Take in those that are new, move the pack by one step, and say which have moved.

        Where the device has not enough memory, the first is tried again alone and later packs are smaller. Where
        anything else fails, each is tried alone.
        """
        ready = self._begin(pack)
        if not ready:
            return []
        lacking = False
        try:
            self._runner.step(ready)
            return ready
        except OutOfMemory:
            lacking = True
        except Exception:
            # One of them is to blame; the others must not end with it.
            traceback.print_exc()
        # Outside of `except`, where nothing holds the tensors of the failed attempt any more.
        if lacking:
            self._runner.make_room()
            if len(ready) > 1:
                self._scheduler.lower(ready)
        alone = ready[:1] if lacking else ready
        return [one for one in alone if self._waits(one) and self.guard(one, partial(self._runner.step, [one]))]

    def guard(self, trajectory: Trajectory, work: Callable[[], object]) -> bool:
        """Do it, and say whether it went well; where it did not, the trajectory's request has failed."""
        try:
            work()
        except PlatformError as error:
            self._failed(trajectory, error)
            return False
        except Exception:
            traceback.print_exc()
            self._failed(trajectory, GenerationFailed())
            return False
        return True

    def _begin(self, pack: Sequence[Trajectory]) -> list[Trajectory]:
        """Those of the pack that could be taken in."""
        new = [trajectory for trajectory in pack if not trajectory.begun]
        if len(new) > 1:
            with contextlib.suppress(Exception):  # Each will meet it again by itself.
                self._runner.encode_prompts(new)
        for trajectory in new:
            if self._waits(trajectory):
                trajectory.begun = self.guard(trajectory, partial(self._admit, trajectory))
        return [trajectory for trajectory in pack if trajectory.begun and self._waits(trajectory)]

    def _admit(self, trajectory: Trajectory) -> None:
        with contextlib.suppress(OutOfMemory):
            self._runner.admit(trajectory)
            return
        # Only now is what the failed attempt held given back.
        self._runner.make_room()
        self._runner.admit(trajectory)

    def _waits(self, trajectory: Trajectory) -> bool:
        """Whether its request has not failed meanwhile by another of its images."""
        return self._scheduler.holds(trajectory.number)
