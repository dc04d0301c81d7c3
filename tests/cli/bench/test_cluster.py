"""A fleet survives the death of any of its processes and of its database."""

from pathlib import Path

import pytest

from fluxhouse.cli.bench import cluster, crash


@pytest.mark.parametrize("rounds", [1, pytest.param(30, marks=pytest.mark.long)])
def test_nothing_is_lost_or_charged_twice_in_a_fleet(tmp_path: Path, rounds: int) -> None:
    """Kill -9 of any process and crashes of PostgreSQL under load leave no violation."""
    with cluster.standing(tmp_path) as fleet:
        *_, findings = crash.against(fleet, crash.Campaign(rounds, jobs=20, seed=1))

    assert findings.violations == []
    assert findings.accepted == 20 * rounds == findings.states["completed"] + findings.states["cancelled"]
