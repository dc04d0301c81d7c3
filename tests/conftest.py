"""What every room's tests need: an environment of their own and quiet, repeatable hypothesis runs."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "fluxhouse",
    deadline=None,  # A shared machine is slow at random.
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("fluxhouse")


@pytest.fixture(scope="session", autouse=True)
def no_outside_settings() -> Iterator[None]:
    """Nothing the developer has set reaches the tests or the processes they start, and no hub is asked."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith("FLUXHOUSE_") and not name.startswith("FLUXHOUSE_TEST_"):
                patch.delenv(name)
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield
