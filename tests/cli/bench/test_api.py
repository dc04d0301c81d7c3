"""The API measurements run against a real server and count what they say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fluxhouse.cli.bench import api
from fluxhouse.cli.bench.serving import Installation


def test_submits_and_polls_are_measured_without_a_refusal(tmp_path: Path) -> None:
    """Each number of clients gives one row of submits and one of polls, every call answered as documented."""
    rows = list(api.submits(Installation(tmp_path), calls=40))

    assert [(row.what, row.load.clients) for row in rows] == [
        (what, clients) for what in ("submit", "poll") for clients in api.CLIENTS
    ]
    assert all(len(row.load.latencies) == 40 and row.load.refused == 0 for row in rows)


@pytest.mark.long
def test_every_idle_submit_is_claimed(tmp_path: Path) -> None:
    """The time to the claim is read off the job's own row, one for each submit."""
    row = api.claims(Installation(tmp_path), calls=20)

    assert len(row.load.latencies) == 20
    assert row.load.refused == 0
    assert all(seconds > 0 for seconds in row.load.latencies)


@pytest.mark.long
def test_whole_jobs_are_measured_on_two_processes(tmp_path: Path, new_postgres: Callable[[], str]) -> None:
    """The series ends when the last job has, whichever of the processes took it in."""
    row = api.whole_jobs(Installation(tmp_path, new_postgres()), calls=20, processes=2)

    assert row.processes == 2
    assert len(row.load.latencies) == 20
    assert row.load.refused == 0
