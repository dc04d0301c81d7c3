"""A history written in bulk is one that could have been made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select

from fluxhouse.cli.bench.history import compare
from fluxhouse.cli.bench.serving import Installation
from fluxhouse.core.jobs import jobs
from fluxhouse.core.reconcile import reconcile


@pytest.mark.long
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_written_history_reconciles_and_is_measured(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    """All the ended jobs are there, everything adds up, and each kind of call is measured as often as asked."""
    new: Callable[[], str] | None = request.getfixturevalue("new_postgres") if kind == "postgres" else None
    installation = Installation(tmp_path, None if new is None else new())

    (aged,) = compare([(installation, 300)], calls=3)

    assert {what: len(waits) for what, waits in aged.latencies.items()} == dict.fromkeys(
        ("submit", "poll", "list", "claim"), 3
    )
    database = installation.database()
    with database.snapshot() as connection:
        assert reconcile(connection) == []
        assert connection.execute(select(func.count()).select_from(jobs)).scalar_one() == 300 + 1 + 13
    database.close()
