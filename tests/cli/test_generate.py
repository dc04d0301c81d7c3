"""`fluxhouse generate` makes a picture without server and database, by the catalog's own rules."""

from dataclasses import replace

import pytest
from PIL import Image

from fluxhouse.engine.testcard import TestCard


@pytest.mark.parametrize(("name", "kind"), [("a.png", "PNG"), ("a.jpg", "JPEG"), ("a.webp", "WEBP")])
def test_a_picture_is_written_in_the_format_of_its_name(fluxhouse, tmp_path, name, kind):
    """The file's ending decides the format, and the answer says the seed that makes it again."""
    made = fluxhouse("generate", "a red fox", "-o", str(tmp_path / name), "--aspect-ratio", "16:9", "--seed", "5")
    assert made.code == 0, made.err
    assert "seed 5" in made.out
    with Image.open(tmp_path / name) as image:
        assert image.format == kind
        assert image.width > image.height
    assert not (tmp_path / "house" / "fluxhouse.db").exists()


def test_a_picture_to_start_from_counts(fluxhouse, tmp_path):
    """An input picture changes the result and, without a ratio, gives it its own."""
    Image.new("RGB", (200, 100), "red").save(tmp_path / "red.png")
    made = fluxhouse(
        "generate", "blue", "-o", str(tmp_path / "a.png"), "--image", str(tmp_path / "red.png"), "--strength", "0.5"
    )
    assert made.code == 0, made.err
    with Image.open(tmp_path / "a.png") as image:
        assert image.width / image.height == pytest.approx(2, rel=0.05)


def test_a_picture_is_repainted_under_a_mask(fluxhouse, tmp_path):
    """Fill takes two pictures; one that cannot be a mask is refused by the option's name."""
    picture, mask = tmp_path / "red.png", tmp_path / "mask.png"
    Image.new("RGB", (200, 100), "red").save(picture)
    Image.new("L", (200, 100), 0).save(mask)
    asked = ("generate", "a door", "-o", str(tmp_path / "a.png"), "--model", "flux-fill-dev", "--image", str(picture))
    refused = fluxhouse(*asked, "--mask", str(mask))
    assert (refused.code, "--mask is black everywhere" in refused.err) == (1, True)
    assert "no parameter `input_image`" in fluxhouse(*asked).err
    Image.new("L", (100, 50), 255).save(mask)
    made = fluxhouse(*asked, "--mask", str(mask))
    assert made.code == 0, made.err
    with Image.open(tmp_path / "a.png") as image:
        assert image.width / image.height == pytest.approx(2, rel=0.05)


def test_several_pictures_are_read_of_which_the_first_decides_the_shape(fluxhouse, tmp_path):
    """At a level of acceleration, and led away from a negative prompt."""
    for name, colour in (("wide.png", "red"), ("high.png", "blue")):
        Image.new("RGB", (200, 100) if name == "wide.png" else (100, 200), colour).save(tmp_path / name)
    shown = [part for name in ("wide.png", "high.png") for part in ("--image", str(tmp_path / name))]
    level = ("--acceleration", "regular", "--negative-prompt", "rain", "--true-cfg-scale", "2")
    made = fluxhouse("generate", "both", "-o", str(tmp_path / "a.png"), "--model", "flux-kontext-dev", *shown, *level)
    assert made.code == 0, made.err
    with Image.open(tmp_path / "a.png") as image:
        assert image.width / image.height == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("-o", "a.gif"), "-o ends in one of .png"),
        (("-o", "a.png", "--width", "300"), "height"),
        (("-o", "a.png", "--model", "flux-dve"), "no model"),
        (("-o", "a.png", "--image", "gone.png"), "--image gone.png"),
        (("-o", "a.png", "--steps", "0"), "num_inference_steps"),
        (("-o", "a.png", "--negative-prompt", "rain"), "true_cfg_scale"),
        (("-o", "a.png", "--image", "a", "--image", "b", "--mask", "c"), "--mask goes with one --image"),
        (("-o", "missing/dir/a.png"), "-o missing/dir/a.png: there is no folder missing/dir"),
        (("-o", "folder.png"), "-o folder.png: is a folder"),
    ],
)
def test_what_the_catalog_refuses_is_refused(fluxhouse, tmp_path, monkeypatch, arguments, complaint):
    """The same rules as the API's, said in one line."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.png").mkdir()
    refused = fluxhouse("generate", "a fox", *arguments)
    assert refused.code == 1
    assert complaint in refused.err
    assert "painting" not in refused.err
    assert not (tmp_path / "a.png").exists()


def test_a_picture_that_is_withheld_is_not_written(fluxhouse, tmp_path, monkeypatch):
    """A black one in its place would only look like a failure; the command says why there is none."""
    paint = TestCard._made
    monkeypatch.setattr(TestCard, "_made", lambda *asked: replace(paint(*asked), nsfw=True, withheld=True))
    refused = fluxhouse("generate", "a red fox", "-o", str(tmp_path / "a.png"))
    assert (refused.code, "safety checker withheld the picture" in refused.err) == (1, True)
    assert not (tmp_path / "a.png").exists()
