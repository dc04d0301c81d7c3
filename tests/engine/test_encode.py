"""Files carry what it takes to make them again, and inputs are opened with care."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from fluxhouse.engine import encode
from fluxhouse.generation.errors import InputImageRefused
from fluxhouse.generation.request import Acceleration, GenerationRequest, Lora, OutputFormat, Task

REQUEST = GenerationRequest(model="flux-dev", prompt="ein Fuchs im Schnee ❄", width=64, height=32, seed=7)
FACTS = encode.metadata(REQUEST, seed=8, steps=4, guidance=3.5, served_by="fluxhouse-builtin")
NOISE = Image.effect_noise((64, 32), 80).convert("RGB")


def test_png_text_says_how_it_was_made() -> None:
    """Prompt, seed, steps, guidance, size, model and maker, and no time."""
    text = Image.open(io.BytesIO(encode.to_file(NOISE, REQUEST, FACTS))).text
    assert text == FACTS
    assert (text["seed"], text["size"], text["served_by"]) == ("8", "64x32", "fluxhouse-builtin")
    assert text["acceleration"] == "none"


def test_what_else_was_asked_is_told_too() -> None:
    """LoRAs by content with their scales, references, what it was led away from, and at which level it was made."""
    request = replace(
        REQUEST,
        loras=(Lora("loras/ab.safetensors", 0.8), Lora("loras/cd.safetensors", -1.0)),
        negative_prompt="fog",
        true_guidance=2.0,
        acceleration=Acceleration.HIGH,
        task=Task.EDIT,
        inputs=("inputs/cat.png", "inputs/dog.png"),
    )
    facts = encode.metadata(request, 1, 1, None, "x")
    assert facts["loras"] == "loras/ab.safetensors:0.8, loras/cd.safetensors:-1.0"
    assert (facts["negative_prompt"], facts["true_guidance"], facts["acceleration"]) == ("fog", "2.0", "high")
    assert facts["references"] == "2"


@pytest.mark.parametrize("kind", [OutputFormat.JPEG, OutputFormat.WEBP])
def test_exif_says_how_it_was_made(kind: OutputFormat) -> None:
    """The same facts stand as JSON in the EXIF comment, any script included."""
    content = encode.to_file(NOISE, replace(REQUEST, format=kind), FACTS)
    exif = Image.open(io.BytesIO(content)).getexif()
    assert exif[0x0131] == "fluxhouse"
    assert json.loads(exif.get_ifd(0x8769)[0x9286][8:]) == FACTS


@pytest.mark.parametrize("kind", [OutputFormat.JPEG, OutputFormat.WEBP])
def test_quality_changes_the_size(kind: OutputFormat) -> None:
    """A lower quality is a smaller file."""
    small, large = (len(encode.to_file(NOISE, replace(REQUEST, format=kind, quality=q), {})) for q in (10, 95))
    assert small < large


def test_a_very_long_prompt_still_fits() -> None:
    """EXIF holds 64 kB; the prompt is cut, the picture is not lost."""
    request = replace(REQUEST, prompt="❄" * 100_000, format=OutputFormat.JPEG)
    assert encode.to_file(NOISE, request, encode.metadata(request, 1, 1, None, "x"))


def test_a_preview_is_small() -> None:
    """At most 256 pixels on the longer side, JPEG."""
    preview = Image.open(io.BytesIO(encode.to_preview(Image.new("RGB", (1024, 512)))))
    assert (preview.size, preview.format) == ((256, 128), "JPEG")


def test_an_input_is_turned_upright_and_opaque(tmp_path: Path) -> None:
    """EXIF orientation is applied, transparency lies over white."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (20, 10)).save(tmp_path / "turned.jpg", exif=exif)
    assert encode.open_input(tmp_path / "turned.jpg").size == (10, 20)
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert encode.open_input(tmp_path / "clear.png").getpixel((0, 0)) == (255, 255, 255)


def test_what_is_no_picture_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text, half a file and a picture of too many pixels are refused, not crashed on."""
    text, half, huge = tmp_path / "a.txt", tmp_path / "half.png", tmp_path / "huge.png"
    text.write_text("hello")
    NOISE.save(half)
    half.write_bytes(half.read_bytes()[:600])
    Image.new("RGB", (100, 100)).save(huge)
    monkeypatch.setattr(encode, "MAX_INPUT_PIXELS", 9_999)
    for path in (text, half, huge, tmp_path / "missing"):
        with pytest.raises(InputImageRefused):
            encode.open_input(path)
