"""A checkpoint comes from a hub whole, checked and only as safetensors; what breaks off is resumed and never loads."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import constants

from fluxhouse.engine.checkers import examine_checker
from fluxhouse.engine.checkpoints import examine
from fluxhouse.engine.pull import Hub
from fluxhouse.engine.pulled import MARKER, list_pulled, list_unfinished, read_marker
from fluxhouse.engine.sources import locate, locate_checker
from fluxhouse.generation.errors import WeightsUnavailable

BIG = "transformer/diffusion_pytorch_model.safetensors"


@pytest.fixture(autouse=True)
def _may_go_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may ask a real hub; these have one of their own."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1_000_000)  # What is lost at most where it breaks off.


@pytest.fixture
def hub(fake_hub, checkpoint: Path):
    """A hub with the built-in model, beside what nobody should load."""
    fake_hub.publish("house/small", checkpoint, {"license": "apache-2.0"})
    fake_hub.add("house/small", "text_encoder/pytorch_model.bin", b"a pickle")
    fake_hub.add("house/small", "small.safetensors", b"all in one")
    fake_hub.add("house/small", "LICENSE.md", b"Do what you like.")
    return fake_hub


def test_a_checkpoint_comes_whole(hub, tmp_path: Path) -> None:
    """Only what makes the model is brought, each file is told of, and the setting finds it."""
    told: list[str] = []
    wanted = Hub(hub.url).look("house/small")
    folder = Hub(hub.url).pull(wanted, tmp_path, told.append)
    assert len(told) == len(wanted.files) == 15
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} == {".json", ".safetensors", ".md"}
    assert not (folder / "small.safetensors").exists()
    assert examine(folder).size_bytes > 10_000_000
    assert locate("house/small", tmp_path).folder == locate("house/small@main", tmp_path).folder == folder
    assert list_pulled(tmp_path) == [wanted]
    assert [path.name for path in tmp_path.iterdir()] == ["house--small"]


def test_what_breaks_off_is_resumed(hub, tmp_path: Path) -> None:
    """A download that ends in the middle does not count as there; the next one asks for the rest alone."""
    ours = Hub(hub.url)
    hub.cut_at[BIG] = 5_000_000
    with pytest.raises(WeightsUnavailable, match="could not be pulled"):
        ours.pull(ours.look("house/small"), tmp_path)
    assert list_pulled(tmp_path) == []
    with pytest.raises(WeightsUnavailable, match="fluxhouse models pull house/small"):
        locate("house/small", tmp_path)
    ((name, here),) = list_unfinished(tmp_path)
    assert (name, here >= 5_000_000) == ("house/small", True)
    hub.cut_at.clear()
    hub.served.clear()
    ours.pull(ours.look("house/small"), tmp_path)
    assert hub.served[BIG] == ["bytes=5000000-"]
    assert len(list_pulled(tmp_path)) == 1
    assert list_unfinished(tmp_path) == []


def test_what_comes_damaged_is_thrown_away(hub, tmp_path: Path) -> None:
    """A byte that changes on the way is seen by the digest, of large files and small; the next pull is whole."""
    ours = Hub(hub.url)
    for name in (BIG, "vae/config.json"):
        hub.spoil.add(name)
        with pytest.raises(WeightsUnavailable, match=f"{name} came damaged"):
            ours.pull(ours.look("house/small"), tmp_path)
        hub.spoil.clear()
    examine(ours.pull(ours.look("house/small"), tmp_path))


def test_a_checkpoint_of_pickles_is_refused(hub, tmp_path: Path) -> None:
    """A network without safetensors is refused before anything is fetched."""
    hub.take_away("house/small", "text_encoder/model.safetensors")
    with pytest.raises(WeightsUnavailable, match=r"for text_encoder, only text_encoder/pytorch_model\.bin"):
        Hub(hub.url).look("house/small")
    assert hub.served == {}


def test_a_checkpoint_cut_off_at_its_source_is_refused(hub, tmp_path: Path) -> None:
    """Weights that are damaged on the hub itself are never put in place."""
    hub.add("house/small", BIG, b"\x08\x00\x00\x00\x00\x00\x00\x00{}")
    ours = Hub(hub.url)
    with pytest.raises(WeightsUnavailable, match="safetensors"):
        ours.pull(ours.look("house/small"), tmp_path)
    assert list_pulled(tmp_path) == []


def test_equal_files_are_kept_once(hub, checkpoint: Path, tmp_path: Path) -> None:
    """What another checkpoint has already is neither fetched nor stored again."""
    ours = Hub(hub.url)
    first = ours.pull(ours.look("house/small"), tmp_path)
    hub.publish("house/sister", checkpoint, {"license": "apache-2.0"})
    hub.served.clear()
    second = ours.pull(ours.look("house/sister"), tmp_path)
    assert hub.served == {}
    assert os.path.samefile(first / BIG, second / BIG)


def test_a_newer_revision_takes_the_place(hub, tmp_path: Path) -> None:
    """The folder changes as a whole, and only what has changed is fetched."""
    ours = Hub(hub.url)
    ours.pull(ours.look("house/small"), tmp_path)
    settings = json.dumps({"_class_name": "FluxPipeline"}).encode()
    hub.add("house/small", "model_index.json", settings)
    hub.served.clear()
    folder = ours.pull(ours.look("house/small"), tmp_path)
    assert list(hub.served) == ["model_index.json"]
    assert (folder / "model_index.json").read_bytes() == settings


def test_a_single_file_is_added(hub, tmp_path: Path) -> None:
    """A file by its name comes beside what is there already, and stands in for a transformer."""
    ours = Hub(hub.url)
    folder = ours.pull(ours.look("house/small"), tmp_path)
    hub.publish_file("house/small", "flux.safetensors", BIG)
    assert ours.pull(ours.look("house/small", None, "flux.safetensors", read_marker(folder)), tmp_path) == folder
    place = locate("house/small/flux.safetensors", tmp_path)
    assert (place.folder, place.transformer_file) == (folder, folder / "flux.safetensors")
    assert examine(place.folder, place.transformer_file).networks["transformer"].single
    with pytest.raises(WeightsUnavailable, match=r"its safetensors files are: flux\.safetensors"):
        ours.look("house/small", file="other.safetensors")


@pytest.mark.parametrize(
    ("card", "gated", "said", "restricted"),
    [
        ({"license": "apache-2.0"}, False, "apache-2.0", False),
        ({"license": "mit"}, "auto", "mit, gated", True),
        ({"license": "other", "license_name": "flux-1-dev"}, False, "flux-1-dev, non-commercial", True),
        ({}, False, "no licence named, non-commercial", True),
    ],
)
def test_the_licence_is_read_from_the_card(hub, checkpoint: Path, card, gated, said: str, restricted: bool) -> None:
    """What is gated, or not known to be open, has to be accepted."""
    hub.publish("house/other", checkpoint, card, gated)
    licence = Hub(hub.url).look("house/other").licence
    assert (str(licence), licence.restricted) == (said, restricted)


def test_a_gated_checkpoint_needs_a_token(hub, checkpoint: Path, tmp_path: Path) -> None:
    """Without access the error says how to get it; with a token it is sent, but to no other host than the hub."""
    hub.publish("house/gated", checkpoint, {"license": "apache-2.0"}, "auto", token="hf_secret")
    wanted = Hub(hub.url).look("house/gated")
    with pytest.raises(WeightsUnavailable, match="accept its licence on its page, and set FLUXHOUSE_HF_TOKEN"):
        Hub(hub.url, "hf_wrong").pull(wanted, tmp_path)
    hub.elsewhere = True
    Hub(hub.url, "hf_secret").pull(wanted, tmp_path)
    assert hub.tokens_elsewhere == set()


def test_what_the_hub_does_not_have_is_said(hub, tmp_path: Path) -> None:
    """An unknown repository, a hub that is away and one too large for the disk are three errors of ours."""
    with pytest.raises(WeightsUnavailable, match="has no house/none"):
        Hub(hub.url).look("house/none")
    with pytest.raises(WeightsUnavailable, match="could not be pulled"):
        Hub("http://127.0.0.1:9").look("house/small")
    wanted = Hub(hub.url).look("house/small")
    huge = replace(wanted.files[0], size_bytes=10**18, digest="0" * 64)
    with pytest.raises(WeightsUnavailable, match=r"on disk, and .* are free"):
        Hub(hub.url).pull(replace(wanted, files=(huge,)), tmp_path)


def test_a_folder_without_its_marker_is_not_there(hub, tmp_path: Path) -> None:
    """A removal that was cut off, or a copy under way, never loads."""
    ours = Hub(hub.url)
    folder = ours.pull(ours.look("house/small"), tmp_path)
    (folder / MARKER).unlink()
    assert read_marker(folder) is None
    with pytest.raises(WeightsUnavailable, match="is not here"):
        locate("house/small", tmp_path)


@pytest.fixture
def classifier(hub, bare_checker: Path):
    """A repository with a safety checker, beside what is not needed of it."""
    for name in ("pytorch_model.bin", "optimizer.pt", "model.py"):
        (bare_checker / name).write_bytes(b"a program")
    hub.publish("house/checker", bare_checker, {"license": "apache-2.0"})
    return hub


def test_a_safety_checker_comes_without_programs(classifier, tmp_path: Path) -> None:
    """Its settings and safetensors alone, and it is found by its name."""
    ours = Hub(classifier.url)
    folder = ours.pull(ours.look("house/checker"), tmp_path / "models")
    assert {path.name for path in folder.iterdir()} == {
        *("config.json", "preprocessor_config.json", "model.safetensors"), MARKER,
    }  # fmt: skip
    assert locate_checker("house/checker", tmp_path / "models") == folder
    assert examine_checker(folder).unsafe == 1


def test_a_classifier_that_is_no_safety_checker_is_refused(classifier, tmp_path: Path) -> None:
    """Without the label before it is put in place, without safetensors before anything is fetched."""
    ours = Hub(classifier.url)
    classifier.add("house/checker", "config.json", b'{"id2label": {"0": "cat", "1": "dog"}}')
    with pytest.raises(WeightsUnavailable, match="its labels are cat, dog"):
        ours.pull(ours.look("house/checker"), tmp_path / "models")
    classifier.take_away("house/checker", "model.safetensors")
    with pytest.raises(WeightsUnavailable, match="has no safetensors weights"):
        ours.look("house/checker")
