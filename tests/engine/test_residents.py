"""Models share what is equal, leave when the budget wants it, and come back when they are asked for."""

import gc
import shutil
import weakref
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from fluxhouse.engine.checkpoints import examine
from fluxhouse.engine.options import ModelWeights
from fluxhouse.engine.residents import Residents
from fluxhouse.generation.errors import WeightsUnavailable


@pytest.fixture(scope="module")
def folders(checkpoint: Path, random_dev: Path, random_schnell: Path) -> Mapping[str, Path]:
    """Three models with equal text encoders and VAE."""
    return {"ours": checkpoint, "dev": random_dev, "schnell": random_schnell}


def residents(folders: Mapping[str, Path], limit_bytes: int | None = None) -> Residents:
    models = {name: ModelWeights(folder, steps=4, guidance=3.5) for name, folder in folders.items()}
    return Residents(models, torch.device("cpu"), torch.float32, limit_bytes)


def bytes_of(folder: Path, *parts: str) -> int:
    networks = examine(folder).networks
    return sum(networks[part].memory_bytes("float32") for part in parts or networks)


def test_nothing_is_loaded_before_it_is_wanted(folders: Mapping[str, Path]) -> None:
    """Sizes are known from the files alone."""
    held = residents(folders)
    assert held.grid("dev") == 32
    assert "dev" not in held
    assert held.bytes_in_use == 0


def test_equal_parts_are_in_memory_once(folders: Mapping[str, Path]) -> None:
    """The second model brings its transformer alone; a model under two names is one."""
    held = residents({**folders, "alias": folders["dev"]})
    dev, schnell = held.take("dev"), held.take("schnell")
    assert dev.vae is schnell.vae
    assert dev.t5 is schnell.t5
    assert dev.transformer is not schnell.transformer
    assert held.take("alias") is dev
    assert held.bytes_in_use == bytes_of(folders["dev"]) + bytes_of(folders["schnell"], "transformer")


def test_the_longest_unused_leaves(folders: Mapping[str, Path]) -> None:
    """Where two fit, the third sends away who was asked for longest ago; shared parts stay; who left comes back."""
    limit = sum(bytes_of(folder, "transformer") for folder in folders.values()) + bytes_of(
        folders["dev"], "vae", "text_encoder", "text_encoder_2"
    )
    held = residents(folders, limit - 1)
    vae = held.take("dev").vae
    gone = weakref.ref(held.take("schnell").transformer)
    held.take("dev")
    held.take("ours")
    gc.collect()
    assert ["schnell" in held, "dev" in held, gone()] == [False, True, None]
    assert held.take("schnell").vae is vae
    assert "dev" not in held
    assert held.loads == 4


def test_who_is_in_use_stays(folders: Mapping[str, Path]) -> None:
    """A model that something is being made with is never sent away, and others can ask whether there is room."""
    held = residents(folders, bytes_of(folders["ours"]))
    held.take("ours")
    assert held.fits("ours", ["ours"])
    assert not held.fits("dev", ["ours"])
    assert held.fits("dev", [])
    held.take("dev", in_use=["ours"])
    assert "ours" in held


def test_what_can_never_fit_is_refused_with_figures(folders: Mapping[str, Path]) -> None:
    """Before anything is loaded the error says what is needed, part by part, and what there is."""
    with pytest.raises(WeightsUnavailable, match=r"ours needs 10\.2 MB .*transformer 8\.\d MB.* there are 9\.0 MB"):
        residents(folders, 9_000_000)


def test_what_something_else_takes_is_not_there_for_models(folders: Mapping[str, Path]) -> None:
    """A safety checker lies in the same memory."""
    models = {"ours": ModelWeights(folders["ours"], 4, 3.5)}
    limit = bytes_of(folders["ours"]) + 1000
    assert Residents(models, torch.device("cpu"), torch.float32, limit, 1000).fits("ours", [])
    with pytest.raises(WeightsUnavailable, match="ours needs"):
        Residents(models, torch.device("cpu"), torch.float32, limit, 1001)


def test_files_that_have_gone_are_an_error_of_that_model(folders: Mapping[str, Path], tmp_path: Path) -> None:
    """Weights deleted after the start fail the request for them; nothing half-loaded stays in memory."""
    doomed = shutil.copytree(folders["dev"], tmp_path / "doomed")
    held = residents({"dev": doomed, "ours": folders["ours"]})
    held.take("ours")
    before = held.bytes_in_use
    shutil.rmtree(doomed / "transformer")
    with pytest.raises(WeightsUnavailable, match="transformer"):
        held.take("dev")
    assert held.bytes_in_use == before
