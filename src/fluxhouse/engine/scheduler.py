"""Which trajectory steps next: the shortest remaining work first, with ageing; plain Python, no torch.

One trajectory steps at a time. `choose` may be asked before every step, so a short request overtakes a long one in the
middle, and a cancelled one is simply gone. A packed step will choose several here and change nothing elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable

from fluxhouse.engine.trajectory import Trajectory

_AGEING = 4.0
"""Work passed over counts this many times less than own work: nobody waits for more than that much of others'."""


class Scheduler:
    """The trajectories that wait for their next step."""

    def __init__(self) -> None:
        self._waiting: list[Trajectory] = []
        self._arrived_at: dict[Trajectory, int] = {}
        self._work_done = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, trajectories: Iterable[Trajectory]) -> None:
        for trajectory in trajectories:
            self._waiting.append(trajectory)
            self._arrived_at[trajectory] = self._work_done

    def choose(self) -> Trajectory | None:
        """The trajectory to step now, or None where nothing waits. Equals go in the order of their arrival."""
        if not self._waiting:
            return None
        chosen = min(self._waiting, key=self._urgency)
        self._work_done += chosen.tokens
        return chosen

    def _urgency(self, trajectory: Trajectory) -> float:
        waited = self._work_done - self._arrived_at[trajectory]
        return trajectory.remaining - waited / _AGEING

    def remove(self, trajectory: Trajectory) -> None:
        self._waiting.remove(trajectory)
        del self._arrived_at[trajectory]

    def remove_request(self, number: int) -> list[Trajectory]:
        """Take out every trajectory of a request, and say which they were."""
        gone = [trajectory for trajectory in self._waiting if trajectory.number == number]
        for trajectory in gone:
            self.remove(trajectory)
        return gone

    def holds(self, number: int) -> bool:
        """Whether any image of request `number` is still to be made."""
        return any(trajectory.number == number for trajectory in self._waiting)
