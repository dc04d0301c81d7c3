"""`fluxhouse builtin score` prints what is right, for the painter and through a server."""

import pytest


def shares(printed):
    """Attribute -> how often asked and how often right."""
    rows = [line.rsplit(maxsplit=3) for line in printed.splitlines() if line.endswith("%")]
    return {name.strip(): (int(asked), int(right)) for name, asked, right, _ in rows}


def test_the_painter_is_the_upper_bound(fluxhouse):
    """Its shapes are all right, and edits are counted by kind and together."""
    ended = fluxhouse("builtin", "score", "--painter", "--calls", "12", "--edits", "4", "--size", "128")
    assert ended.code == 0
    rows = shares(ended.out)
    assert rows["count"][0] == rows["count"][1] > 0
    assert rows["all"][0] == 4
    assert {"style", "terrain", "keeps the rest"} <= rows.keys()


@pytest.mark.long
def test_a_server_is_asked_as_by_any_client(fluxhouse, subject, tmp_path):
    """Prompts and an edit go through the API; a test card is no landscape, so little is right."""
    one = subject()
    one.start()
    one.wait_until("/readyz")
    key = (tmp_path / "house" / "demo-key").read_text().strip()
    ended = fluxhouse("builtin", "score", "--url", one.url, "--key", key, "--calls", "2", "--edits", "1")
    assert ended.code == 0, ended.err
    assert shares(ended.out)["all"][0] == 1
    refused = fluxhouse("builtin", "score", "--url", one.url, "--key", "wrong", "--calls", "1", "--edits", "0")
    assert refused.code == 1
    assert "key" in refused.err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--painter", "--url", "http://127.0.0.1:1"), "not more"),
        (("--painter", "--stage", "everything"), "--stage is shape, scenes or full"),
    ],
)
def test_what_makes_no_sense_is_refused(fluxhouse, arguments, complaint):
    """One sentence names the options."""
    ended = fluxhouse("builtin", "score", *arguments)
    assert ended.code == 1
    assert complaint in ended.err
