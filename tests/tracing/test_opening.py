"""Traces are sent exactly where OpenTelemetry's variables and the extra say so."""

import http.server
import sys
import threading

import pytest
from structlog.testing import capture_logs

from fluxhouse.tracing.opening import traced, wanted
from fluxhouse.tracing.spans import _Sink, now_ns, record

JOB = "0123456789abcdef0123456789abcdef"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({ENDPOINT: "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({ENDPOINT: "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "true"}, False),
        ({ENDPOINT: "http://127.0.0.1:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_the_environment_decides(monkeypatch, environment, expected):
    """An endpoint turns traces on, the SDK's own switches turn them off."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert wanted() is expected


def test_spans_reach_the_endpoint(monkeypatch):
    """What is recorded in the block has arrived by its end, and nothing is collected after it."""
    arrived = []

    class Collecting(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            arrived.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Collecting) as collecting:
        threading.Thread(target=collecting.serve_forever, daemon=True).start()
        monkeypatch.setenv(ENDPOINT, f"http://127.0.0.1:{collecting.server_port}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
        with traced():
            record("submit", JOB, now_ns(), model="flux-dev")
        collecting.shutdown()
    assert [path for path, _ in arrived] == ["/v1/traces"]
    assert bytes.fromhex(JOB) in arrived[0][1]
    assert b"flux-dev" in arrived[0][1]
    assert _Sink.collector is None


def test_without_the_extra_it_is_said_once(monkeypatch):
    """Where OpenTelemetry is missing the process runs on, and the log says what to install."""
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:4318")
    monkeypatch.delitem(sys.modules, "fluxhouse.tracing.otel", raising=False)
    for name in [name for name in sys.modules if name.partition(".")[0] == "opentelemetry"]:
        monkeypatch.setitem(sys.modules, name, None)
    with capture_logs() as logs, traced():
        record("submit", JOB, now_ns())
    assert [(line["event"], "fluxhouse[otel]" in line["reason"]) for line in logs] == [("traces_not_sent", True)]
