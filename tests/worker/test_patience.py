"""An outage is waited out for as long as was allowed, and nothing else is."""

import pytest

from fluxhouse.generation.errors import DatabaseUnavailable, StorageUnavailable
from fluxhouse.worker import patience
from fluxhouse.worker.patience import patiently


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(patience, "_PAUSE_SECONDS", 0.001)


def asking(*answers):
    """Raises or gives these in turn; how many are left can be seen in it."""
    left = list(answers)

    async def ask():
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    ask.left = left
    return ask


async def test_an_outage_is_waited_out():
    """Asked again until there is an answer, and no longer."""
    ask = asking(StorageUnavailable(), StorageUnavailable(), "picture", "another")
    assert await patiently(ask, StorageUnavailable, 5.0, "waited_for") == "picture"
    assert ask.left == ["another"]


async def test_an_outage_that_lasts_is_told():
    """After the seconds that were allowed."""
    with pytest.raises(StorageUnavailable):
        await patiently(asking(*[StorageUnavailable()] * 1000), StorageUnavailable, 0.02, "waited_for")


async def test_any_other_failure_is_told_at_once():
    """Waiting would not mend it."""
    ask = asking(DatabaseUnavailable(), "picture")
    with pytest.raises(DatabaseUnavailable):
        await patiently(ask, StorageUnavailable, 5.0, "waited_for")
    assert ask.left == ["picture"]
