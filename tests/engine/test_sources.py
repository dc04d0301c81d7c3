"""A setting names weights by folder, file or repository, and no repository is fetched for it."""

import json
from pathlib import Path

import pytest

from fluxhouse.engine.pulled import MARKER, LicenceTerms, Pulled
from fluxhouse.engine.sources import Place, locate, locate_checker, repositories
from fluxhouse.generation.errors import WeightsUnavailable


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder into which one repository was pulled."""
    folder = tmp_path / "models" / "house--small"
    folder.mkdir(parents=True)
    (folder / "flux.safetensors").write_bytes(b"")
    pulled = Pulled("house/small", "main", "c0ffee", LicenceTerms("mit", "", False, True), ())
    (folder / MARKER).write_text(json.dumps(pulled.to_json()))
    return folder.parent


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's own cache with one repository."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    repository = tmp_path / "hf" / "hub" / "models--other--cached"
    (repository / "snapshots" / "beef").mkdir(parents=True)
    (repository / "snapshots" / "beef" / "model_index.json").write_text("{}")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("beef")
    return repository


def test_paths_are_paths(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders and files are taken as they are; one that is there goes before a repository of the same name."""
    file = tmp_path / "dev.safetensors"
    assert locate("/weights/dev", models) == Place(Path("/weights/dev"))
    assert locate(f"{file}", models) == Place(tmp_path, file)
    assert locate(f"{file}+/weights/rest", models) == Place(Path("/weights/rest"), file)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "house" / "small").mkdir(parents=True)
    assert locate("house/small", models) == Place(tmp_path / "house" / "small")


def test_what_was_pulled_is_found(models: Path) -> None:
    """By name, branch or the beginning of its commit; another revision is not here."""
    for source in ("house/small", "house/small@main", "house/small@c0ff"):
        assert locate(source, models) == Place(models / "house--small")
    with pytest.raises(WeightsUnavailable, match="fluxhouse models pull house/small@dead"):
        locate("house/small@dead", models)
    single = locate("house/small/flux.safetensors+house/small", models)
    assert single == Place(models / "house--small", models / "house--small" / "flux.safetensors")
    with pytest.raises(WeightsUnavailable, match=r"fluxhouse models pull house/small/else\.safetensors"):
        locate("house/small/else.safetensors", models)


def test_the_hubs_own_cache_is_read(models: Path, cache: Path) -> None:
    """What another program has fetched serves too, by branch or commit."""
    for source in ("other/cached", "other/cached@main", "other/cached@beef"):
        assert locate(source, models) == Place(cache / "snapshots" / "beef")
    with pytest.raises(WeightsUnavailable, match="is not here"):
        locate("other/missing", models)


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("/weights/dev", set()),
        ("house/small@main", {"house/small"}),
        ("house/small/flux.safetensors+house/rest", {"house/small", "house/rest"}),
        ("/dev.safetensors+house/rest", {"house/rest"}),
        ("testcard:0.5", set()),
    ],
)
def test_a_setting_names_repositories(source: str, named: set[str]) -> None:
    """Those that must not be removed while it names them."""
    assert repositories(source) == named


def test_a_safety_checker_lies_where_a_checkpoint_may(tmp_path: Path, models: Path, cache: Path) -> None:
    """A folder, what was pulled, or what the hub's own cache has of a classifier."""
    assert locate_checker(str(tmp_path), models) == tmp_path
    assert locate_checker("house/small", models) == models / "house--small"
    with pytest.raises(WeightsUnavailable, match="fluxhouse models pull other/cached"):
        locate_checker("other/cached", models)
    (cache / "snapshots" / "beef" / "preprocessor_config.json").write_text("{}")
    assert locate_checker("other/cached", models) == cache / "snapshots" / "beef"
