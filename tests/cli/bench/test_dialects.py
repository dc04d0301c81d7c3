"""`fluxhouse bench dialects`: every accent brings the same picture, measured in turn."""

from fluxhouse.cli.bench.dialects import compare_dialects


def test_every_dialect_brings_its_picture(tmp_path):
    """A real server and one call each: what does not end in a picture raises."""
    rows = {row.name: row for row in compare_dialects(tmp_path, 1)}
    assert set(rows) == {"native", "native, polled", "pixazo", "openai", "replicate", "fal", "bfl", "mcp"}
    assert all(len(row.latencies) == 1 and row.median_ms > 0 for row in rows.values())
    assert {row.peer for row in rows.values()} == {"native", "native, polled"}
