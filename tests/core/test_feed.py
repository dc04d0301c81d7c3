"""The feed: hints reach those who wait, never block, and are forgotten."""

from fluxhouse.core.feed import Feed, ImageReady, StateChanged
from fluxhouse.generation.backend import StepDone


def test_hints_reach_every_reader_of_the_job():
    """Each subscriber gets each hint about its job, in order, and none about another."""
    feed = Feed()
    with feed.subscribe("a") as first, feed.subscribe("a") as second, feed.subscribe("b") as other:
        feed.publish("a", StateChanged())
        feed.publish("a", ImageReady(0, "key"))
        for reader in (first, second):
            assert [reader.get_nowait(), reader.get_nowait()] == [StateChanged(), ImageReady(0, "key")]
        assert other.empty()


def test_a_slow_reader_loses_the_oldest():
    """Publishing never blocks; the newest hints are those that stay."""
    feed = Feed()
    with feed.subscribe("a") as reader:
        for step in range(300):
            feed.publish("a", StepDone(0, step, 300))
        kept = [reader.get_nowait().step for _ in range(reader.qsize())]
    assert kept == list(range(44, 300))


def test_the_newest_step_is_remembered_until_forgotten():
    """Whoever asks late sees how far a running job is."""
    feed = Feed()
    assert feed.step("a") is None
    feed.publish("a", StepDone(0, 1, 8))
    feed.publish("a", StepDone(0, 2, 8))
    assert feed.step("a").step == 2
    feed.forget("a")
    feed.forget("a")
    assert feed.step("a") is None


def test_nothing_is_left_of_readers_that_went():
    """Hints without a reader go nowhere, and no entry remains."""
    feed = Feed()
    with feed.subscribe("a") as reader:
        pass
    feed.publish("a", StateChanged())
    assert reader.empty()
    assert not feed._readers
