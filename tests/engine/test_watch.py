"""Work that takes far longer than it should is said to hang."""

import pytest

from fluxhouse.engine.watch import Watch


class SetClock:
    """Tells the seconds it was set to."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.mark.parametrize(("usual", "extra", "bears"), [(0.0, 0.0, 5.0), (2.0, 0.0, 25.0), (2.0, 60.0, 85.0)])
def test_work_hangs_beyond_its_patience(usual: float, extra: float, bears: float) -> None:
    """That is five seconds, ten times the usual ones, and those that are granted once."""
    clock = SetClock()
    watch = Watch(5.0, clock)
    with watch.over("a step", usual, extra):
        clock.seconds = bears
        assert watch.hung() is None
        clock.seconds = bears + 0.1
        assert watch.hung() == "a step"
    assert watch.hung() is None


def test_each_piece_of_work_has_its_own_time() -> None:
    """A thread that hangs is found beside one whose work ends, well or badly, again and again."""
    clock = SetClock()
    watch = Watch(5.0, clock)
    with watch.over("decoding"):
        for clock.seconds in (3.0, 6.0):
            with pytest.raises(RuntimeError), watch.over("a step"):
                raise RuntimeError("injected")
        with watch.over("a step"):
            assert watch.hung() == "decoding"


def test_who_rests_does_not_hang() -> None:
    """Nothing is under way, for however long."""
    clock = SetClock()
    watch = Watch(5.0, clock)
    clock.seconds = 1e6
    assert watch.hung() is None
