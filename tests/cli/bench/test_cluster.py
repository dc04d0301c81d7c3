"""A fleet survives the death of any of its processes and of its database, and cuts of the network between them."""

from contextlib import closing
from pathlib import Path

import pytest

from fluxhouse.cli.bench import cluster, crash
from fluxhouse.cli.bench.receiver import Receiver


@pytest.mark.parametrize("rounds", [2, pytest.param(30, marks=pytest.mark.long)])
def test_nothing_is_lost_or_charged_twice_in_a_fleet(tmp_path: Path, rounds: int) -> None:
    """Kill -9 of any process, crashes of PostgreSQL and cuts of the network under load leave no violation.

    Who asked for it is told of each end.

    The seeds make the first round a kill and the second a cut of three seconds between a worker and the database.
    """
    with cluster.standing(tmp_path, seed=4) as fleet, closing(Receiver()) as receiver:
        campaign = crash.Campaign(rounds, jobs=20, seed=318, arrival_seconds=3.0, receiver=receiver)
        *_, findings = crash.against(fleet, campaign)

    assert findings.violations == []
    assert findings.in_flight > 0
    assert findings.deliveries >= 10 * rounds
    assert any(victim.startswith("network") for victim in findings.strikes)
    assert any(not victim.startswith("network") for victim in findings.strikes)
    assert findings.accepted == 20 * rounds == findings.states["completed"] + findings.states["cancelled"]
