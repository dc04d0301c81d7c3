"""What a safety checker's folder must hold is said before anything is loaded, without torch."""

import json
from pathlib import Path

import pytest

from fluxhouse.engine.checkers import examine_checker
from fluxhouse.generation.errors import WeightsUnavailable


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A checker of ten numbers."""
    header = json.dumps({"a": {"dtype": "F16", "shape": [10], "data_offsets": [0, 20]}}).encode()
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(20))
    (tmp_path / "config.json").write_text(json.dumps({"id2label": {"0": "Normal", "1": "NSFW"}}))
    (tmp_path / "preprocessor_config.json").write_text("{}")
    return tmp_path


def test_a_whole_one_says_its_label_and_size(bare: Path) -> None:
    """In memory its numbers are of four bytes, whatever they are on disk."""
    stored = examine_checker(bare)
    assert (stored.folder, stored.unsafe, stored.memory_bytes) == (bare, 1, 40)
    assert stored.size_bytes == (bare / "model.safetensors").stat().st_size


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "model.safetensors"])
def test_what_is_missing_is_named(bare: Path, name: str) -> None:
    """Also where there are pickles in its place."""
    (bare / name).unlink()
    (bare / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(WeightsUnavailable, match=f"{name} is missing"):
        examine_checker(bare)


def test_what_is_cut_off_is_refused(bare: Path) -> None:
    """Half of a download never loads."""
    whole = (bare / "model.safetensors").read_bytes()
    (bare / "model.safetensors").write_bytes(whole[:-1])
    with pytest.raises(WeightsUnavailable, match="by its header"):
        examine_checker(bare)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("{}", "names no labels"),
        ("no json", "names no labels"),
        ('{"id2label": {"0": "cat", "1": "dog"}}', "its labels are cat, dog"),
        ('{"id2label": {"0": "nsfw"}}', "beside others"),
        ('{"id2label": {"0": "nsfw", "1": "unsafe"}}', "one label nsfw or unsafe"),
    ],
)
def test_labels_that_do_not_say_what_is_unsafe_are_refused(bare: Path, config: str, says: str) -> None:
    """With those that there are."""
    (bare / "config.json").write_text(config)
    with pytest.raises(WeightsUnavailable, match=says):
        examine_checker(bare)
