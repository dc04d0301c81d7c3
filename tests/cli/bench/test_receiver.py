"""The receiver says what was not told, told twice over, or told wrongly."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx2
import pytest

from fluxhouse.cli.bench.receiver import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    listening = Receiver()
    yield listening
    listening.close()


def tell(receiver: Receiver, job_id: str, status: str, message_id: str = "msg_1") -> None:
    message = {"type": f"job.{status}", "data": {"jobId": job_id}}
    httpx2.post(receiver.url, json=message, headers={"webhook-id": message_id}).raise_for_status()


def test_a_message_may_come_several_times(receiver: Receiver) -> None:
    """At least once is what is promised: a repeat of the same message is no complaint."""
    tell(receiver, "job_1", "completed")
    tell(receiver, "job_1", "completed")

    assert receiver.complaints({"job_1": "completed"}, time.monotonic()) == []
    assert receiver.deliveries == 2


@pytest.mark.parametrize(
    ("told", "complaint"),
    [
        ([], "nobody was told"),
        ([("cancelled", "msg_1")], "is completed, but was told"),
        ([("completed", "msg_1"), ("completed", "msg_2")], "several messages"),
    ],
)
def test_what_must_not_be_is_named(receiver: Receiver, told: list[tuple[str, str]], complaint: str) -> None:
    """An end that nobody was told of, one that was not, and two messages about one are each a complaint."""
    for status, message_id in told:
        tell(receiver, "job_1", status, message_id)

    (found,) = receiver.complaints({"job_1": "completed"}, time.monotonic())
    assert complaint in found
