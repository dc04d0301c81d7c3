"""The recipe trains every part at its smallest size: what it writes loads, and what it stops goes on."""

import csv
import json

import pytest
import torch
from diffusers import FluxPipeline
from PIL import Image
from safetensors.torch import load_file

from fluxhouse.builtin.training.__main__ import main

TINY = ("--size", "tiny", "--pixels", "64", "--painters", "0", "--shards", "2", "--batch", "4", "--threads", "1")


def train(part, out, *more):
    """One call of the recipe's command line, at the smallest size, in this process."""
    assert main([part, "--out", str(out), *TINY, *more]) == 0


@pytest.fixture(scope="module", autouse=True)
def threads():
    """Gives the other tests of this process their threads back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A whole model of two updates a part."""
    out = tmp_path_factory.mktemp("model")
    train("autoencoder", out, "--updates", "2")
    train("text", out, "--updates", "2")
    train("transformer", out, "--updates", "2", "--edits", "0.5")
    train("guidance", out, "--updates", "2")
    return out


@pytest.fixture(scope="module")
def pipeline(model):
    return FluxPipeline.from_pretrained(model, local_files_only=True, dtype=torch.float32)


def test_every_part_trained_makes_a_folder_that_diffusers_loads(model, pipeline):
    """`FluxPipeline` makes a picture of the recipe's folder, whose weights are bfloat16 safetensors."""
    pipeline.set_progress_bar_config(disable=True)
    length = pipeline.tokenizer_2.model_max_length
    made = pipeline("A red circle", width=64, height=64, num_inference_steps=2, max_sequence_length=length).images[0]
    assert made.size == (64, 64)
    index = json.loads((model / "model_index.json").read_text())
    assert index["_class_name"] == "FluxPipeline"
    for part in ("transformer/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder_2/model"):
        assert {value.dtype for value in load_file(model / f"{part}.safetensors").values()} == {torch.bfloat16}


def test_capitals_have_the_embeddings_of_small_letters(pipeline):
    """The model cannot tell "Red" from "red", though the tokenizer does."""
    large, small = (pipeline.tokenizer_2(word).input_ids[0] for word in ("Red", "red"))
    table = pipeline.text_encoder_2.get_input_embeddings().weight
    assert large != small
    assert torch.equal(table[large], table[small])


def test_latents_have_mean_zero_and_deviation_one(model):
    """The written shift and scale are those of the encoded pictures."""
    settings = json.loads((model / "vae" / "config.json").read_text())
    assert settings["scaling_factor"] != 1.0
    shard = load_file(next((model / "training" / "latents-full").glob("*.safetensors")))
    assert abs(float(shard["latents"].float().mean())) < 1.0
    assert 0.3 < float(shard["latents"].float().std()) < 3.0


def test_losses_and_a_sheet_of_samples_are_written(model):
    """Each update has its line, and the sheet shows four pictures for each of eight prompts."""
    with (model / "training" / "transformer" / "losses.csv").open(newline="") as file:
        assert [row[0] for row in csv.reader(file)] == ["0", "1"]
    with Image.open(model / "training" / "transformer" / "sheets" / "000002.png") as sheet:
        assert sheet.width >= 4 * 64
        assert sheet.height >= 8 * 64


def test_a_resumed_training_equals_one_that_never_stopped(model, tmp_path):
    """One update in a call and two in another leave the bytes of three updates in one call."""
    for updates in ("1", "3"):
        train("text", tmp_path / "twice", "--from", str(model), "--updates", updates)
    train("text", tmp_path / "once", "--from", str(model), "--updates", "3")
    once, twice = (load_file(tmp_path / name / "text_encoder" / "model.safetensors") for name in ("once", "twice"))
    assert all(torch.equal(once[name], twice[name]) for name in once)


def test_a_call_stops_when_its_minutes_are_over(model, tmp_path):
    """No minutes, no update; the state is kept in files under 16 MiB all the same."""
    train("text", tmp_path, "--from", str(model), "--updates", "5", "--minutes", "0")
    state = tmp_path / "training" / "text" / "state"
    assert json.loads((state / "state.json").read_text()) == {"done": 0}
    assert all(file.stat().st_size < 16 * 1024 * 1024 for file in state.iterdir())


def test_a_part_says_what_has_to_be_trained_before_it(tmp_path, capsys):
    """A transformer without an autoencoder is refused with the missing part's name."""
    assert main(["transformer", "--out", str(tmp_path), *TINY]) == 1
    assert "scheduler" in capsys.readouterr().err


def test_a_lora_is_trained_on_top_and_loads(model, pipeline, tmp_path):
    """The LoRA lies in diffusers' format, and the pipeline takes it on and off again."""
    train("lora", tmp_path, "--from", str(model), "--updates", "2", "--look", "ukiyo-e", "--rank", "2")
    pipeline.load_lora_weights(tmp_path / "loras", weight_name="ukiyo-e.safetensors", adapter_name="print")
    assert pipeline.get_list_adapters() == {"transformer": ["print"]}
    pipeline.unload_lora_weights()
