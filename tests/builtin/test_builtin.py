"""The checkpoint that ships is a whole FLUX folder, and its landscapes show what prompts ask for."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import FluxPipeline
from transformers import T5Tokenizer

from fluxhouse import builtin
from fluxhouse.builtin.painter.sampling import Stage
from fluxhouse.builtin.painter.scene import Landscape
from fluxhouse.builtin.reader_scenes import SceneReader
from fluxhouse.builtin.scoring import questions, score_prompts
from fluxhouse.engine.finisher import decode
from fluxhouse.engine.options import EngineOptions, ModelWeights
from fluxhouse.engine.runner import Runner
from fluxhouse.engine.trajectory import plan
from fluxhouse.generation.request import GenerationRequest

REQUEST = GenerationRequest(model="flux", prompt="", width=512, height=512, seed=1)


@pytest.fixture(scope="module")
def runner():
    """The engine over the shipped weights, with the defaults that the platform gives them."""
    torch.set_num_threads(1)  # Tests share their cores.
    defaults = (builtin.DEFAULT_STEPS, builtin.DEFAULT_GUIDANCE, builtin.MAX_TEXT_TOKENS)
    return Runner(EngineOptions({"flux": ModelWeights(builtin.FOLDER, *defaults)}))


@pytest.fixture(scope="module")
def make(runner):
    """A picture [h, w, 3] of a prompt, as the engine makes it."""

    def made(prompt, seed=1, **changes):
        request = replace(REQUEST, prompt=prompt, seed=seed, **changes)
        (trajectory,) = plan(1, request, (), runner._options.models["flux"], runner.models.grid("flux"))
        while not trajectory.finished:
            runner.step([trajectory])
        picture = decode(runner.let_go(trajectory))
        runner.drop([trajectory])
        return np.asarray(picture)

    return made


def test_the_folder_is_whole_and_small():
    """Safetensors alone, at most 40 MB, and the text length that the platform pads to."""
    files = [path for path in builtin.FOLDER.rglob("*") if path.is_file()]
    assert (builtin.FOLDER / builtin.MARKER).is_file()
    assert sum(path.stat().st_size for path in files) < 40_000_000
    assert {path.suffix for path in files} == {".json", ".safetensors"}
    assert json.loads((builtin.FOLDER / "model_index.json").read_text())["_class_name"] == "FluxPipeline"
    tokenizer = T5Tokenizer.from_pretrained(builtin.FOLDER / "tokenizer_2", local_files_only=True)
    assert tokenizer.model_max_length == builtin.MAX_TEXT_TOKENS


def test_diffusers_makes_the_same_picture(make):
    """`FluxPipeline` over the same folder and seed agrees to a rounding of its bytes."""
    pipeline = FluxPipeline.from_pretrained(builtin.FOLDER, local_files_only=True, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    (theirs,) = pipeline(
        "A sunset over a mountain range",
        width=512,
        height=320,
        num_inference_steps=builtin.DEFAULT_STEPS,
        guidance_scale=builtin.DEFAULT_GUIDANCE,
        max_sequence_length=builtin.MAX_TEXT_TOKENS,
        generator=torch.Generator("cpu").manual_seed(5),
    ).images
    ours = make("A sunset over a mountain range", seed=5, height=320)
    assert np.abs(ours.astype(int) - np.asarray(theirs).astype(int)).max() <= 1


def test_a_size_off_the_grid_is_the_middle_of_a_larger_picture(make):
    """Exactly the size asked for, cut out of the next size on the grid."""
    larger, asked = make("snowy hills at dawn", height=320), make("snowy hills at dawn", width=500, height=290)
    assert asked.shape == (290, 500, 3)
    assert np.array_equal(asked, larger[15:305, 6:506])


def test_landscapes_follow_their_words(make):
    """Held-out prompts, read by an eye of its own: style and time of day are right far more often than by chance."""
    asked = (one for one in questions(60, 7, Stage.FULL) if isinstance(one.scene.subject, Landscape))
    score = score_prompts(asked, lambda _, prompt, seed: make(prompt, seed), SceneReader.load())
    assert score.asked["style"] > 15
    assert score.share("style") > 0.6
    assert score.share("time of day") > 0.45


def test_seed_guidance_and_steps_change_the_picture_and_nothing_else_does(make):
    """The same request twice is the same picture."""
    words = "a city skyline at dusk"
    first = make(words)
    assert np.array_equal(make(words), first)
    for changed in ({"seed": 2}, {"guidance": 1.5}, {"steps": 4}):
        assert np.abs(make(words, **changed).astype(int) - first).mean() > 1, changed
