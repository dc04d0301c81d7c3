"""A checkpoint on disk is complete or refused by the name of what it lacks, and says what it would take."""

import json
import os
import shutil
from pathlib import Path

import pytest

from fluxhouse.engine.checkpoints import examine, share
from fluxhouse.generation.errors import WeightsUnavailable


@pytest.fixture
def copied(checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "copied"))


def test_a_folder_says_what_it_is(checkpoint: Path, random_schnell: Path) -> None:
    """Guidance, grid and memory are read from settings and headers alone."""
    ours, schnell = examine(checkpoint), examine(random_schnell)
    assert (ours.guided, ours.fills, ours.grid) == (True, False, 32)
    assert not schnell.guided
    numbers = sum(network.numbers for network in ours.networks.values())
    assert ours.memory_bytes("float32") == 4 * numbers == 2 * ours.memory_bytes("bfloat16")
    # On disk it is the same numbers and their headers.
    assert 0 < ours.size_bytes - 4 * numbers < 50_000


@pytest.mark.parametrize(
    "missing",
    [
        "model_index.json",
        "tokenizer_2",
        "scheduler",
        "vae/config.json",
        "text_encoder_2/model.safetensors",
        "transformer/diffusion_pytorch_model.safetensors",
    ],
)
def test_what_is_missing_is_named(copied: Path, missing: str) -> None:
    """A folder that lacks a part is no checkpoint."""
    path = copied / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(WeightsUnavailable, match=missing):
        examine(copied)


def test_weights_cut_off_are_refused(copied: Path) -> None:
    """A file shorter than its header says never counts as there."""
    file = copied / "vae" / "diffusion_pytorch_model.safetensors"
    os.truncate(file, file.stat().st_size - 4)
    with pytest.raises(WeightsUnavailable, match="bytes"):
        examine(copied)


def test_all_shards_are_wanted(copied: Path) -> None:
    """A network in several files is whole when each of its index is there."""
    folder = copied / "text_encoder"
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    with pytest.raises(WeightsUnavailable, match="model-00002-of-00002"):
        examine(copied)


def test_equal_networks_are_shared(checkpoint: Path, random_dev: Path, copied: Path) -> None:
    """Text encoders and VAE of two models are one where their bytes are, the transformers stay two."""
    ours, dev, copy = share(map(examine, (checkpoint, random_dev, copied)))
    same = {part for part, network in dev.networks.items() if network is ours.networks[part]}
    assert same == {"vae", "text_encoder", "text_encoder_2"}
    assert all(copy.networks[part] is network for part, network in ours.networks.items())


def test_other_settings_make_another_network(copied: Path, checkpoint: Path) -> None:
    """The same numbers read otherwise are not shared; a mere version of the writer does not count."""
    path = copied / "vae" / "config.json"
    settings = json.loads(path.read_text())
    for part, changed in (("_diffusers_version", "0.1"), ("scaling_factor", 0.5)):
        path.write_text(json.dumps(settings | {part: changed}))
        ours, copy = share([examine(checkpoint), examine(copied)])
        assert (copy.networks["vae"] is ours.networks["vae"]) == (part == "_diffusers_version")


def test_a_single_file_needs_the_rest(checkpoint: Path, random_schnell: Path, tmp_path: Path) -> None:
    """The transformer's kind is read from the file, everything else from the folder; another file is refused."""
    file = random_schnell / "transformer" / "diffusion_pytorch_model.safetensors"
    single = examine(checkpoint, file)
    assert (single.guided, single.fills) == (False, False)
    assert single.networks["transformer"].files == (file,)
    with pytest.raises(WeightsUnavailable, match=r"img_in\.weight"):
        examine(checkpoint, checkpoint / "vae" / "diffusion_pytorch_model.safetensors")
    with pytest.raises(WeightsUnavailable, match="missing"):
        examine(tmp_path, file)
