"""Bodies become values; what a newer server adds is passed over, what is missing is not invented."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from fluxhouse.client.asking import get, post, segment
from fluxhouse.client.errors import ServerError
from fluxhouse.client.events import event_of
from fluxhouse.client.facts import JobFacts, Progress
from fluxhouse.client.reading import credits_of, image_fields, job_fields, model_of, understood
from fluxhouse.client.retry import Retry
from fluxhouse.client.sync_client import Client
from fluxhouse.client.sync_jobs import job_reader
from fluxhouse.client.sync_wire import Wire

RUNNING = """{"jobId": "job_1", "status": "processing", "creditCost": 1.5, "createdAt": "2025-01-23T12:00:00Z",
"progress": {"step": 3, "steps": 28, "image": 0, "eta": 4}, "timings": {"inference": 2}, "colour": {"new": true}}"""


def test_unknown_fields_are_passed_over():
    """On the body, and within what it holds."""
    job = JobFacts(**understood(job_fields, RUNNING))
    assert job.progress == Progress(index=0, step=3, steps=28)
    assert job.credit_cost == Decimal("1.5")
    assert job.created_at == datetime(2025, 1, 23, 12, tzinfo=UTC)
    assert (job.ended, job.model, job.error, job.inference_seconds) == (False, None, None, 2.0)


def test_credits_are_exact():
    """A tenth is a tenth."""
    credits = understood(credits_of, '{"balance": 0.3, "held": 0.1, "available": 0.2}')
    assert credits.balance - credits.held == credits.available


def test_an_unknown_event_is_no_event():
    """Nor is it an error."""
    assert event_of("weather", {"sun": True}) is None


def test_images_without_facts_are_addresses():
    """Of a server that tells no more."""
    assert image_fields({"output": {"images": ["http://a/1.png"]}}) == [{"url": "http://a/1.png"}]
    assert image_fields({}) == []


@pytest.mark.parametrize("content", ["", "<html>", "[]", "null", '{"apiId": "a"}', '{"apiId": "a", "creditCost": 1}'])
def test_what_is_not_the_apis_is_an_error(content):
    """It says what was wrong with it."""
    with pytest.raises(ServerError, match="not one of this API"):
        understood(model_of, content)


def test_values_are_frozen_and_can_be_told_as_dictionaries():
    """The wire beneath an image neither shows nor stands in the way."""
    wire = Wire("http://a.test", "fh_secret", 1.0, Retry(), None)
    job = job_reader(wire)({"jobId": "job_1", "status": "completed", "assets": [{"url": "http://a/1.png", "width": 8}]})
    with pytest.raises(dataclasses.FrozenInstanceError):
        job.status = "failed"
    assert "wire" not in repr(job)
    assert dataclasses.asdict(job)["images"][0]["width"] == 8
    assert not hasattr(job, "__dict__")
    wire.close()


def test_the_key_does_not_show():
    """Not in the representation of a client, nor of what it holds."""
    with Client("fh_secret", "http://a.test") as client:
        assert "fh_secret" not in repr(client) + repr(vars(client))


def test_a_call_is_the_same_each_time():
    """Names are escaped, None is left out, headers have their dashes."""
    assert segment("../a b?") == "..%2Fa%20b%3F"
    assert get("jobs", limit=3, status=None).params == {"limit": 3}
    call = post("run", {"prompt": "été", "seed": None, "hf_loras": ["a"]}, Idempotency_Key="k")
    assert call.content == '{"prompt": "été", "hf_loras": ["a"]}'.encode()
    assert call.headers == {"Content-Type": "application/json", "Idempotency-Key": "k"}
