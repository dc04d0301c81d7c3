"""The built-in model is a standard FLUX folder whose pictures follow prompt, seed and input."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import FluxImg2ImgPipeline, FluxKontextPipeline, FluxPipeline
from PIL import Image
from safetensors.torch import load_file

from fluxhouse.builtin import DEFAULT_GUIDANCE, DEFAULT_STEPS, FINISHED_MARKER, MAX_TEXT_TOKENS
from fluxhouse.builtin.make import make

torch.set_num_threads(1)  # Tests share their cores.

Paint = Callable[..., np.ndarray[Any, Any]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder as the command writes it."""
    where = tmp_path_factory.mktemp("models") / "builtin"
    subprocess.run([sys.executable, "-m", "fluxhouse.builtin.make", str(where)], check=True, capture_output=True)
    return where


@pytest.fixture(scope="module")
def paint(folder: Path) -> Paint:
    """Paint with diffusers' own pipelines."""
    pipelines: dict[Any, Any] = {}

    def painted(prompt: str, seed: int = 1, kind: Any = FluxPipeline, **asked: Any) -> np.ndarray[Any, Any]:
        if kind not in pipelines:
            pipelines[kind] = kind.from_pretrained(folder)
            pipelines[kind].set_progress_bar_config(disable=True)
        (picture,) = pipelines[kind](
            prompt=prompt,
            width=256,
            height=256,
            num_inference_steps=DEFAULT_STEPS,
            guidance_scale=DEFAULT_GUIDANCE,
            max_sequence_length=MAX_TEXT_TOKENS,
            generator=torch.Generator("cpu").manual_seed(seed),
            **asked,
        ).images
        return np.asarray(picture).astype(float)

    return painted


def test_the_folder_is_whole_and_small(folder: Path) -> None:
    """A marker, seven parts, safetensors alone, at most 20 MB, and nothing unfinished beside it."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert (folder / FINISHED_MARKER).is_file()
    assert sum(path.stat().st_size for path in files) < 20_000_000
    assert not [path for path in files if path.suffix in (".bin", ".pt", ".pkl")]
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_it_is_the_same_wherever_it_is_made(folder: Path, tmp_path: Path) -> None:
    """Another process makes the same weights, and a finished folder is left alone."""
    again = tmp_path / "again"
    make(again)
    for part in ("transformer", "vae", "text_encoder", "text_encoder_2"):
        (ours,) = (again / part).glob("*.safetensors")
        theirs = load_file(folder / part / ours.name)
        assert all(torch.equal(weight, theirs[name]) for name, weight in load_file(ours).items())
    written = (again / FINISHED_MARKER).stat().st_mtime_ns
    make(again)
    assert (again / FINISHED_MARKER).stat().st_mtime_ns == written


def test_an_unfinished_folder_is_made_again(tmp_path: Path) -> None:
    """Without its marker, what lies there is not trusted."""
    broken = tmp_path / "broken"
    (broken / "transformer").mkdir(parents=True)
    make(broken)
    assert (broken / "model_index.json").is_file()


def test_prompt_and_seed_paint_another_picture(paint: Paint) -> None:
    """The same of both is the same picture; either alone changes it visibly."""
    first = paint("a red fox in the snow")
    assert np.array_equal(paint("a red fox in the snow"), first)
    assert np.abs(paint("a green forest at night") - first).mean() > 10
    assert np.abs(paint("a red fox in the snow", seed=2) - first).mean() > 5


@pytest.mark.parametrize(("word", "channel"), [("red", 0), ("green", 1), ("blue", 2)])
def test_a_colour_in_the_prompt_is_in_the_picture(paint: Paint, word: str, channel: int) -> None:
    """A picture of one colour has most of that colour."""
    inside = paint(f"{word} {word} {word}")[32:-32, 32:-32].mean(axis=(0, 1))
    assert int(inside.argmax()) == channel


def test_pictures_are_smooth_and_not_flat(paint: Paint) -> None:
    """A colour field: pixels are near their neighbours, and the whole is not one colour."""
    picture = paint("sunset over the ocean")
    assert np.abs(np.diff(picture, axis=1)).mean() < 4
    assert picture[32:-32, 32:-32].std(axis=(0, 1)).max() > 10


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        (FluxImg2ImgPipeline, {"strength": 0.5}),
        (FluxKontextPipeline, {"max_area": 256 * 256, "_auto_resize": False}),
    ],
)
def test_an_input_picture_shows(paint: Paint, kind: Any, asked: dict[str, Any]) -> None:
    """Where the input is red on the left and blue on the right, so is the result, more than otherwise."""
    shown = Image.new("RGB", (256, 256), (220, 20, 20))
    shown.paste((20, 20, 220), (128, 0, 256, 256))

    def redder_left(picture: np.ndarray[Any, Any]) -> float:
        redness = picture[..., 0] - picture[..., 2]
        return float(redness[:, 32:96].mean() - redness[:, 160:224].mean())

    with_input = paint("a calm sea", kind=kind, image=shown, **asked)
    assert redder_left(with_input) > redder_left(paint("a calm sea")) + 30
