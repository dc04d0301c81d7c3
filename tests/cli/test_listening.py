"""What a process does for those who wait on its answers."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from fluxhouse.cli.listening import spare_the_standing


@pytest.fixture
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("thawed")
def test_what_stands_is_not_collected_again() -> None:
    """The collector looks at nothing that was there before, and still finds what comes later."""
    before = len(gc.get_objects())

    spare_the_standing()

    assert gc.get_freeze_count() > before / 2
    assert len(gc.get_objects()) < before / 2
    circle: list[object] = []
    circle.append(circle)
    del circle
    assert gc.collect() >= 1
