"""A real classifier, small and with weights set by hand, scores pictures by their red and withholds by tolerance."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from fluxhouse.engine.checkers import examine_checker
from fluxhouse.engine.safety import Checker
from fluxhouse.generation.errors import GenerationFailed, OutOfMemory, WeightsUnavailable
from fluxhouse.generation.moderation import threshold

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def checker(checker_folder: Path) -> Checker:
    return Checker(examine_checker(checker_folder), CPU)


def plain(red: int, size: tuple[int, int] = (96, 64)) -> Image.Image:
    return Image.new("RGB", size, (red, 90, 200))


def test_the_score_is_that_of_the_unsafe_label(checker: Checker) -> None:
    """It rises with what the classifier looks for and with nothing else, and is the same again."""
    scores = [checker.score(plain(red)) for red in (0, 60, 120, 180, 255)]
    assert scores == sorted(set(scores))
    assert scores[0] < 0.4 < 0.6 < scores[-1]
    assert checker.score(Image.new("RGB", (640, 480), (120, 0, 0))) == pytest.approx(scores[2], abs=1e-6)
    assert [checker.score(plain(red)) for red in (0, 255)] == [scores[0], scores[-1]]


def test_more_tolerance_withholds_less(checker: Checker) -> None:
    """Of any picture at every tolerance below some point and at none above it; nobody looks where there is none."""
    for red in (0, 120, 255):
        picture = plain(red)
        withheld = [checker.withholds(picture, tolerance) for tolerance in range(7)]
        assert withheld == sorted(withheld, reverse=True)
        assert withheld == [checker.score(picture) >= threshold(tolerance) for tolerance in range(7)]
        assert (withheld[0], withheld[6]) == (True, False)
        assert not checker.withholds(picture, None)


@pytest.mark.parametrize(
    ("injected", "expected"),
    [
        (RuntimeError("injected"), GenerationFailed),
        (ValueError("injected"), GenerationFailed),
        (torch.OutOfMemoryError("injected"), OutOfMemory),
    ],
)
def test_what_breaks_in_it_is_a_typed_failure(
    checker: Checker, monkeypatch: pytest.MonkeyPatch, injected: Exception, expected: type[Exception]
) -> None:
    """Of that picture alone: the next one is judged."""

    def broken(**_: Any) -> Any:
        raise injected

    with monkeypatch.context() as patch:
        patch.setattr(checker, "_model", broken)
        with pytest.raises(expected):
            checker.score(plain(0))
    assert checker.score(plain(0)) < 0.5


def test_no_number_is_no_score(checker_folder: Path, tmp_path: Path) -> None:
    """A classifier that comes to no number lets nothing pass unseen."""
    copy = altered(checker_folder, tmp_path, lambda tensors: tensors["classifier.bias"].fill_(float("nan")))
    with pytest.raises(GenerationFailed, match="no number"):
        Checker(examine_checker(copy), CPU).withholds(plain(0), 6)


def test_labels_that_exclude_nothing_are_judged_each_for_itself(checker_folder: Path, tmp_path: Path) -> None:
    """The score of a classifier of several labels at once is that label's own."""
    copy = altered(checker_folder, tmp_path, lambda tensors: tensors["classifier.bias"].fill_(5.0))
    config = json.loads((copy / "config.json").read_text()) | {"problem_type": "multi_label_classification"}
    (copy / "config.json").write_text(json.dumps(config))
    assert Checker(examine_checker(copy), CPU).score(plain(0)) > 0.9


def test_a_classifier_that_is_not_whole_is_refused(checker_folder: Path, tmp_path: Path) -> None:
    """A number that the file lacks is never made up."""
    copy = altered(checker_folder, tmp_path, lambda tensors: tensors.pop("classifier.weight"))
    with pytest.raises(WeightsUnavailable, match=r"lacks classifier\.weight"):
        Checker(examine_checker(copy), CPU)


def test_a_classifier_of_an_unknown_kind_is_refused(checker_folder: Path, tmp_path: Path) -> None:
    """By the folder's name; a repository's own program is not run."""
    copy = altered(checker_folder, tmp_path, lambda _: None)
    config = json.loads((copy / "config.json").read_text())
    own = {"model_type": "homemade", "auto_map": {"AutoModelForImageClassification": "model.Mine"}}
    (copy / "config.json").write_text(json.dumps(config | own))
    (copy / "model.py").write_text("raise SystemExit('it was run')")
    with pytest.raises(WeightsUnavailable, match="could not be loaded"):
        Checker(examine_checker(copy), CPU)


def altered(folder: Path, where: Path, alter: Any) -> Path:
    """A copy of a checker whose tensors were changed."""
    copy = where / "copy"
    shutil.copytree(folder, copy)
    tensors = load_file(copy / "model.safetensors")
    alter(tensors)
    save_file(tensors, copy / "model.safetensors", {"format": "pt"})
    return copy
