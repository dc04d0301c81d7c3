"""Which trajectories step next, together: the shortest remaining work first, with ageing; plain Python, no torch.

`choose` may be asked before every step, so a short request overtakes a long one in the middle, and a cancelled one is
simply gone. What can share a forward joins the most urgent one where the profile says that all together gain by it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence

from fluxhouse.engine.profile import Profile
from fluxhouse.engine.trajectory import Trajectory


class Scheduler:
    """The trajectories that wait for their next step.

    `profile` tells a lane's costs; `pack_tokens` how many tokens a lane's packs may have, below which only a trajectory
    that is larger by itself goes.
    """

    def __init__(self, profile: Callable[[Trajectory], Profile], pack_tokens: Callable[[Trajectory], int]) -> None:
        self._profile = profile
        self._pack_tokens = pack_tokens
        self._lowered: dict[Hashable, int] = {}
        self._waiting: list[Trajectory] = []
        self._passed_at: dict[Trajectory, float] = {}
        self._work_done = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, trajectories: Iterable[Trajectory]) -> None:
        for trajectory in trajectories:
            self._waiting.append(trajectory)
            self._passed_at[trajectory] = self._work_done

    def choose(self, possible: Callable[[Trajectory], bool] = lambda _: True) -> list[Trajectory]:
        """The trajectories to step now in one forward, the most urgent first; none where nothing waits.

        Equals go in the order of their arrival. Where the most urgent is not `possible` yet, because its model does not
        fit beside what others use, only what has begun goes on, so that they make room for it.
        """
        ordered = sorted(self._waiting, key=self._urgency)
        if ordered and not possible(ordered[0]):
            ordered = [one for one in ordered if one.begun] or [one for one in ordered if possible(one)]
        if not ordered:
            return []
        pack = self._packed(ordered)
        seconds = self._profile(pack[0]).seconds([n for one in pack for n in one.lengths])
        self._work_done += seconds
        for one in pack:
            self._passed_at[one] += seconds
        return pack

    def _packed(self, ordered: Sequence[Trajectory]) -> list[Trajectory]:
        leader, *others = ordered
        pack, tokens = [leader], leader.tokens
        profile, most = self._profile(leader), self.budget(leader)
        for other in others:
            if other.lane != leader.lane or tokens + other.tokens > most:
                continue
            if profile.pays([one.lengths for one in pack], other.lengths, len(self._waiting)):
                pack.append(other)
                tokens += other.tokens
        return pack

    def budget(self, trajectory: Trajectory) -> int:
        """How many tokens a pack of the trajectory's lane may have now."""
        most = self._pack_tokens(trajectory)
        return min(most, self._lowered.get(trajectory.lane, most))

    def lower(self, pack: Sequence[Trajectory]) -> None:
        """A pack of this size did not fit into memory: none of its lane shall be larger than half of it again."""
        self._lowered[pack[0].lane] = sum(one.tokens for one in pack) // 2

    def _urgency(self, trajectory: Trajectory) -> float:
        """The less the sooner: the seconds that remain, divided by how often they were passed over, and one.

        So a long one outlives any number of short ones: waiting for as long as it takes halves it, and so on.
        """
        waited = self._work_done - self._passed_at[trajectory]
        remaining = (trajectory.steps - trajectory.step) * self._profile(trajectory).seconds(trajectory.lengths)
        return remaining / (trajectory.request.share * (1.0 + waited / remaining))

    def remove(self, trajectory: Trajectory) -> None:
        self._waiting.remove(trajectory)
        del self._passed_at[trajectory]

    def remove_request(self, number: int) -> list[Trajectory]:
        """Take out every trajectory of a request, and say which they were."""
        gone = [trajectory for trajectory in self._waiting if trajectory.number == number]
        for trajectory in gone:
            self.remove(trajectory)
        return gone

    def holds(self, number: int) -> bool:
        """Whether any image of request `number` is still to be made."""
        return any(trajectory.number == number for trajectory in self._waiting)
