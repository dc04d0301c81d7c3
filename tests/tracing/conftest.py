"""A collector that keeps what it gets, and OpenTelemetry's own that exports to memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from fluxhouse.tracing.otel import Traces
from fluxhouse.tracing.spans import collect_with


class Kept:
    """Keeps every span."""

    def __init__(self) -> None:
        self.spans: list[tuple[Any, ...]] = []

    def collect(self, *span: Any) -> None:
        self.spans.append(span)


@pytest.fixture
def kept() -> Iterator[Kept]:
    collector = Kept()
    collect_with(collector)
    yield collector
    collect_with(None)


@pytest.fixture
def exported() -> Iterator[InMemorySpanExporter]:
    """What OpenTelemetry exports while the test runs."""
    exporter = InMemorySpanExporter()
    traces = Traces(SimpleSpanProcessor(exporter))
    collect_with(traces)
    yield exporter
    collect_with(None)
    traces.close()
