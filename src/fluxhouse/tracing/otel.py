"""Spans sent by OpenTelemetry: a job's trace has the job's own id, so that every process adds to the same one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)
from opentelemetry.util.types import Attributes

from fluxhouse.tracing.spans import Value

ROOT = "submit"  # the span under which all others of a job stand
_root: ContextVar[SpanContext | None] = ContextVar("root", default=None)


class Traces:
    """A `Collector` that passes spans on to OpenTelemetry's SDK, which `OTEL_*` variables configure."""

    def __init__(self, processor: SpanProcessor, service_name: str = "fluxhouse") -> None:
        # What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say goes before the name given here.
        named = Resource({"service.name": service_name})
        told = Resource.create()
        known = told.attributes.get("service.name", "unknown_service")
        resource = told.merge(named) if str(known).startswith("unknown_service") else told
        chosen = TracerProvider(shutdown_on_exit=False).sampler  # by OTEL_TRACES_SAMPLER
        self._provider = TracerProvider(_ByJob(chosen), resource=resource, id_generator=_Ids())
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("fluxhouse")

    def collect(
        self,
        name: str,
        job_id: str,
        times_ns: tuple[int, int],
        attributes: Mapping[str, Value],
        error: str | None,
        caller: tuple[str, str] | None,
    ) -> None:
        """As the protocol has it; the SDK exports it from a thread of its own."""
        root = _root_of(job_id)
        if name != ROOT and not self._sampled(root, name):
            return
        parent = None if name == ROOT else set_span_in_context(NonRecordingSpan(root))
        links = [Link(SpanContext(int(caller[0], 16), int(caller[1], 16), is_remote=True))] if caller else []
        token = _root.set(root if name == ROOT else None)
        try:
            span = self._tracer.start_span(
                f"job {name}",
                context=parent,
                kind=SpanKind.SERVER if name == ROOT else SpanKind.INTERNAL,
                attributes={"fluxhouse.job": job_id} | {f"fluxhouse.{key}": value for key, value in attributes.items()},
                links=links,
                start_time=times_ns[0],
            )
        finally:
            _root.reset(token)
        if error is not None:
            span.set_status(StatusCode.ERROR, error)
        span.end(times_ns[1])

    def close(self) -> None:
        """Send what has not been sent, and stop."""
        self._provider.shutdown()

    def _sampled(self, root: SpanContext, name: str) -> bool:
        """As the root was: samplers go by the trace's id, which every process knows."""
        sampling = self._provider.sampler.should_sample(None, root.trace_id, f"job {name}")
        return sampling.decision is Decision.RECORD_AND_SAMPLE


class _ByJob(Sampler):
    """A sampler that is shown the first half of a job's id, all random at its head; of a UUID's last half two bits are
    fixed there, by which a sampler that goes by numbers would take all jobs or none.
    """

    def __init__(self, chosen: Sampler) -> None:
        self._chosen = chosen

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """What the chosen sampler says."""
        return self._chosen.should_sample(
            parent_context, (trace_id >> 64) or 1, name, kind, attributes, links, trace_state
        )

    def get_description(self) -> str:
        """The chosen sampler's own words."""
        return self._chosen.get_description()


class _Ids(RandomIdGenerator):
    """Random ids, but for a job's root span, whose ids are made of the job's."""

    def generate_trace_id(self) -> int:
        root = _root.get()
        return super().generate_trace_id() if root is None else root.trace_id

    def generate_span_id(self) -> int:
        root = _root.get()
        return super().generate_span_id() if root is None else root.span_id


def _root_of(job_id: str) -> SpanContext:
    trace_id = int(job_id, 16)
    return SpanContext(trace_id, (trace_id >> 64) or 1, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def to_endpoint() -> Traces:
    """Traces sent by OTLP over HTTP to where `OTEL_EXPORTER_OTLP_ENDPOINT` says."""
    return Traces(BatchSpanProcessor(OTLPSpanExporter()))
