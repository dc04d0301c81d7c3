"""The crash campaign holds against the real server, and its judge sees what must not be."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fluxhouse.cli.bench import crash


def test_nothing_is_lost_or_charged_twice_when_processes_are_killed(tmp_path: Path) -> None:
    """Three rounds of kill -9 with twenty jobs in flight leave no violation."""
    *_, findings = crash.run(crash.Campaign(rounds=3, jobs=20, seed=2), tmp_path)

    assert findings.violations == []
    assert findings.rounds == findings.strikes.total() == 3
    assert findings.accepted == 60
    assert findings.states["completed"] + findings.states["cancelled"] == 60
    assert findings.charged_credits > 0
    assert findings.in_flight > 0


class _OnePicture:
    """Stands for the caller's connection: every listed picture but one is there."""

    def is_picture(self, url: str) -> bool:
        return url != "missing"


@pytest.mark.parametrize(
    ("job", "complaint"),
    [
        ({"status": "processing"}, "did not end"),
        ({"status": "failed", "error": {"code": "server_error"}, "creditCost": 0}, "failed"),
        ({"status": "completed", "output": {"images": []}, "creditCost": 0}, "lists 0 images of 1"),
        ({"status": "completed", "output": {"images": ["missing"]}}, "is missing"),
        ({"status": "completed", "output": {"images": ["there"]}, "creditCost": 2}, "is charged 2 for 1"),
        ({"status": "cancelled", "creditCost": 1}, "is charged 1 for 0"),
    ],
)
def test_the_judge_names_what_must_not_be(job: dict[str, Any], complaint: str) -> None:
    """An open, failed, incomplete, missing or wrongly charged job is a violation."""
    order = crash._Order("key", {"num_outputs": 1}, cancelled=False)
    findings = crash.Findings()

    crash._judge(
        [order],
        [crash._Accepted("job_1", Decimal(1))],
        [{"jobId": "job_1", "creditCost": 1} | job],
        _OnePicture(),  # type: ignore[arg-type]
        findings,
    )

    assert len(findings.violations) == 1
    assert complaint in findings.violations[0]


def test_a_job_shared_by_two_submits_is_a_violation() -> None:
    """Two orders with keys of their own never get the same job."""
    order = crash._Order("key", {"num_outputs": 1}, cancelled=False)
    job = {"jobId": "job_1", "status": "completed", "output": {"images": ["there"]}, "creditCost": 1}
    findings = crash.Findings()

    accepted = [crash._Accepted("job_1", Decimal(1))] * 2
    crash._judge([order] * 2, accepted, [job] * 2, _OnePicture(), findings)  # type: ignore[arg-type]

    assert findings.violations == ["two submits with different keys share a job"]
