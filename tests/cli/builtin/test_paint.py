"""`fluxhouse builtin paint` writes a sheet and prints its words."""

from PIL import Image


def test_a_sheet_is_written_with_its_captions(fluxhouse, tmp_path):
    """Four scenes stand two by two, and four numbered lines say what they are."""
    ended = fluxhouse("builtin", "paint", "-o", str(tmp_path / "sheet.png"), "--count", "4", "--size", "32")
    assert ended.code == 0
    assert [line.split()[0] for line in ended.out.splitlines()] == ["1", "2", "3", "4"]
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (68, 68)


def test_edits_are_shown_in_pairs(fluxhouse, tmp_path):
    """Two pairs are four pictures."""
    target = tmp_path / "edits.webp"
    ended = fluxhouse("builtin", "paint", "-o", str(target), "--show", "edits", "--count", "2", "--size", "32")
    assert ended.code == 0
    with Image.open(target) as sheet:
        assert sheet.size == (68, 68)


def test_a_file_of_no_known_kind_is_refused(fluxhouse, tmp_path):
    """One sentence, and nothing is written."""
    ended = fluxhouse("builtin", "paint", "-o", str(tmp_path / "sheet.xyz"), "--count", "1", "--size", "32")
    assert ended.code == 1
    assert "sheet.xyz" in ended.err
    assert not (tmp_path / "sheet.xyz").exists()
