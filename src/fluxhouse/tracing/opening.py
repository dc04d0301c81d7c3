"""Whether traces are collected: where OpenTelemetry's own variables say so and the extra is installed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import structlog

from fluxhouse.tracing.spans import collect_with

log = structlog.get_logger()

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def wanted() -> bool:
    """Whether the environment names somebody to send traces to."""
    off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or os.environ.get("OTEL_TRACES_EXPORTER") == "none"
    return not off and any(os.environ.get(name) for name in _ENDPOINTS)


@contextmanager
def traced() -> Iterator[None]:
    """Within the block, spans are sent where the environment says; where that needs what is missing, it is logged."""
    if not wanted():
        yield
        return
    try:
        # Loaded by name, since the base install lacks OpenTelemetry and must import this module all the same.
        otel = import_module("fluxhouse.tracing.otel")
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] != "opentelemetry":
            raise
        log.warning("traces_not_sent", reason="they need the extra otel: pip install 'fluxhouse[otel]'")
        yield
        return
    traces = otel.to_endpoint()
    collect_with(traces)
    try:
        yield
    finally:
        collect_with(None)
        traces.close()
