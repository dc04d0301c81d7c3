"""What a load says of its latencies."""

from __future__ import annotations

from fluxhouse.cli.bench.load import Load, request_bytes


def test_percentiles_are_taken_from_the_ordered_latencies() -> None:
    """The median and the slowest of a hundred latencies, in milliseconds."""
    load = Load(clients=1, seconds=2.0, latencies=[index / 1000 for index in reversed(range(100))], refused=0)

    assert load.percentile_ms(50) == 50
    assert load.percentile_ms(100) == 99
    assert load.per_second == 50


def test_a_request_says_how_long_its_body_is() -> None:
    """A ready-made request is complete HTTP/1.1."""
    head, body = request_bytes("POST", "/x", "host", "key", b"{}").split(b"\r\n\r\n")

    assert body == b"{}"
    assert head.splitlines()[0] == b"POST /x HTTP/1.1"
    assert b"Content-Length: 2" in head.splitlines()
