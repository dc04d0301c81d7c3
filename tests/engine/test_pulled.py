"""What was pulled is known by its marker, and removed so that nothing half-there loads."""

import json
from pathlib import Path

import pytest

from fluxhouse.engine.pulled import (
    MARKER,
    LicenceTerms,
    Pulled,
    RemoteFile,
    folder_of,
    list_pulled,
    list_unfinished,
    read_marker,
    remove,
    unfinished_folder,
)

PULLED = Pulled(
    "house/small",
    "main",
    "c0ffee",
    LicenceTerms(
        "flux-1-dev", "https://example.com/LICENSE", gated=True, commercial_use=False, accepted_at="2026-01-02"
    ),
    (RemoteFile("model_index.json", 2, "d1"), RemoteFile("vae/config.json", 40, "d2")),
)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder with a pulled checkpoint and one whose files still come."""
    folder = folder_of(tmp_path, PULLED.repository)
    folder.mkdir()
    (folder / MARKER).write_text(json.dumps(PULLED.to_json()))
    unfinished = unfinished_folder(tmp_path, "house/large")
    unfinished.mkdir()
    (unfinished / "d3.part").write_bytes(bytes(100))
    return tmp_path


def test_a_marker_says_what_is_there(models: Path) -> None:
    """Repository, commit, files and the licence with its acceptance come back as they were."""
    assert list_pulled(models) == [PULLED]
    assert PULLED.size_bytes == 42
    assert list_unfinished(models) == [("house/large", 100)]
    assert list_pulled(models / "none") == list_unfinished(models / "none") == []


@pytest.mark.parametrize("content", ["", "{}", '{"repository": "house/small"}', "[]"])
def test_a_broken_marker_is_none(models: Path, content: str) -> None:
    """What cannot be read counts as not there."""
    folder = folder_of(models, PULLED.repository)
    (folder / MARKER).write_text(content)
    assert read_marker(folder) is None


def test_what_is_removed_is_gone(models: Path) -> None:
    """Whole or half-come, its bytes are freed and counted; a second time there is nothing."""
    freed = [remove(models, name) for name in ("house/small", "house/large", "house/small")]
    assert freed == [42, 100, None]
    assert list(models.iterdir()) == []


def test_terms_say_what_limits_them() -> None:
    """Gated and non-commercial stand behind the name, and either has to be accepted."""
    assert str(PULLED.licence) == "flux-1-dev, gated, non-commercial"
    assert PULLED.licence.restricted
    assert not LicenceTerms("mit", "", gated=False, commercial_use=True).restricted
