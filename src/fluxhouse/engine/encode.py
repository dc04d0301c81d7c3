"""Pictures to file bytes and back: PNG, JPEG and WebP with what it takes to make them again; safe opening of inputs."""

from __future__ import annotations

import io
import json
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from fluxhouse.generation.errors import InputImageRefused
from fluxhouse.generation.request import GenerationRequest, OutputFormat, Task

SOFTWARE = "fluxhouse"
MAX_INPUT_PIXELS = 64_000_000
PREVIEW_PIXELS = 256
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
_EXIF_SOFTWARE, _EXIF_IFD, _EXIF_USER_COMMENT = 0x0131, 0x8769, 0x9286
_MAX_PROMPT = 8000
"""Characters of the prompt that metadata keep: an EXIF block holds 64 kB."""


def metadata(
    request: GenerationRequest, seed: int, steps: int, guidance: float | None, served_by: str
) -> dict[str, str]:
    """What a file says of its making: enough to make it again, with no time and no id in it."""
    facts = {
        "prompt": request.prompt[:_MAX_PROMPT],
        "seed": seed,
        "steps": steps,
        "guidance": guidance,
        "strength": request.strength,
        "references": len(request.inputs) if request.task is Task.EDIT else None,
        "negative_prompt": request.negative_prompt and request.negative_prompt[:_MAX_PROMPT],
        "true_guidance": request.true_guidance,
        "loras": ", ".join(f"{lora.path}:{lora.scale}" for lora in request.loras) or None,
        "acceleration": request.acceleration,
        "size": f"{request.width}x{request.height}",
        "model": request.model,
        "served_by": served_by,
        "software": SOFTWARE,
    }
    return {key: str(value) for key, value in facts.items() if value is not None}


def to_file(picture: Image.Image, request: GenerationRequest, facts: dict[str, str]) -> bytes:
    """The bytes of the picture in the request's format and quality (1 to 100; PNG is lossless and ignores it)."""
    file = io.BytesIO()
    if request.format is OutputFormat.PNG:
        text = PngInfo()
        for key, value in facts.items():
            text.add_text(key, value)
        picture.save(file, "PNG", pnginfo=text, compress_level=4)
    else:
        picture.save(
            file, "JPEG" if request.format is OutputFormat.JPEG else "WEBP", quality=request.quality, exif=_exif(facts)
        )
    return file.getvalue()


def _exif(facts: dict[str, str]) -> Image.Exif:
    exif = Image.Exif()
    exif[_EXIF_SOFTWARE] = SOFTWARE
    # Eight zero bytes: the standard's mark for a comment in an encoding of its own, here UTF-8.
    exif.get_ifd(_EXIF_IFD)[_EXIF_USER_COMMENT] = bytes(8) + json.dumps(facts, ensure_ascii=False).encode()
    return exif


def to_preview(picture: Image.Image) -> bytes:
    """A JPEG of the picture, at most 256 pixels on its longer side."""
    small = picture.copy()
    small.thumbnail((PREVIEW_PIXELS, PREVIEW_PIXELS))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=70)
    return file.getvalue()


def open_input(path: Path) -> Image.Image:
    """An input picture in RGB, upright. Raises InputImageRefused where it is none or has too many pixels."""
    try:
        with Image.open(path, formats=_FORMATS) as picture:
            if picture.width * picture.height > MAX_INPUT_PIXELS:
                raise InputImageRefused(f"An input image has at most {MAX_INPUT_PIXELS} pixels.", field="inputs")
            return _flat(ImageOps.exif_transpose(picture))
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise InputImageRefused("An input image could not be read.", field="inputs") from error


def _flat(picture: Image.Image) -> Image.Image:
    """RGB, with transparency over white."""
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layered = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered).convert("RGB")
