"""A job's trace by OpenTelemetry: one trace with the job's id over all its processes, from submit to its webhook."""

import asyncio

import httpx2
import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from fluxhouse.assembly import assemble
from fluxhouse.core import accounts, keys, ledger
from fluxhouse.core.ids import new_id
from fluxhouse.engine.testcard import TestCard
from fluxhouse.settings import Settings
from fluxhouse.tracing.otel import Traces
from fluxhouse.tracing.spans import now_ns, record, span

JOB = "0123456789abcdef0123456789abcdef"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


async def picture(tmp_path, **headers):
    """The id of a job made by a whole platform."""
    platform = assemble(Settings(data=tmp_path, public_url="http://house.test"), backends={"*": TestCard()})
    await platform.start()
    try:

        def make(connection):
            now = platform.door.clock.now()
            account = accounts.create(connection, "canary-account", now)
            ledger.grant(connection, account.id, 10_000_000, now, None)
            return keys.issue(connection, account.id, platform.door.options.pepper, now)[1]

        key = await platform.database.write(make)
        transport = httpx2.ASGITransport(app=platform.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://house.test") as client:
            answer = await client.post(
                "/api/v1/models/flux-dev/run",
                json={"prompt": "canary-prompt", "width": 256, "height": 256},
                headers={"Authorization": f"Bearer {key}", "Prefer": "wait"} | headers,
            )
        await asyncio.sleep(0.05)
        return answer.json()["jobId"].removeprefix("job_")
    finally:
        await platform.stop()


async def test_a_job_is_one_trace(exported, tmp_path):
    """Submit, claim, make, store and settle stand in the trace whose id is the job's; nothing tells who or what."""
    job = await picture(tmp_path, traceparent=f"00-{TRACE}-{PARENT}-01")
    spans = {entry.name: entry for entry in exported.get_finished_spans()}
    assert set(spans) == {"job submit", "job claim", "job make", "job store", "job settle"}
    root = spans.pop("job submit")
    assert f"{root.context.trace_id:032x}" == job
    assert root.parent is None
    assert [f"{link.context.trace_id:032x}" for link in root.links] == [TRACE]
    for child in spans.values():
        assert child.context.trace_id == root.context.trace_id
        assert child.parent.span_id == root.context.span_id
        assert child.end_time >= child.start_time
    assert spans["job make"].attributes["fluxhouse.backend"] == "testcard"
    assert root.resource.attributes["service.name"] == "fluxhouse"
    assert "canary" not in "".join(entry.to_json() for entry in (root, *spans.values()))


def test_a_failure_is_marked(exported):
    """A span whose block raised says so by the error's class."""
    with pytest.raises(KeyError), span("make", JOB):
        raise KeyError("canary")
    (failed,) = exported.get_finished_spans()
    assert (failed.status.status_code, failed.status.description) == (StatusCode.ERROR, "KeyError")
    assert failed.events == ()


def test_a_trace_is_sampled_whole_or_not_at_all(monkeypatch):
    """By the trace's id, so that processes which never meet decide alike."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    kept, jobs = [], [new_id() for _ in range(200)]
    for names in (("submit", "claim"), ("make", "settle")):
        exporter = InMemorySpanExporter()
        traces = Traces(SimpleSpanProcessor(exporter))
        for job in jobs:
            for name in names:
                traces.collect(name, job, (now_ns(), now_ns()), {}, None, None)
        kept.append([entry.context.trace_id for entry in exporter.get_finished_spans()])
        traces.close()
    assert kept[0] == kept[1]
    assert 2 * 50 < len(kept[0]) < 2 * 150


def test_names_of_the_operator_go_first(monkeypatch):
    """OTEL_SERVICE_NAME replaces ours."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "pictures")
    exporter = InMemorySpanExporter()
    traces = Traces(SimpleSpanProcessor(exporter))
    traces.collect("submit", JOB, (now_ns(), now_ns()), {}, None, None)
    traces.close()
    assert exporter.get_finished_spans()[0].resource.attributes["service.name"] == "pictures"


def test_nothing_is_lost_between_two_spans(exported):
    """What is recorded outside of any request has no caller and a fresh span id each time."""
    for _ in range(3):
        record("deliver", JOB, now_ns(), status=204)
    assert len({entry.context.span_id for entry in exported.get_finished_spans()}) == 3
