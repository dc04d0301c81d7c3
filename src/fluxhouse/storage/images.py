"""Pictures that callers send: what is accepted, checked before it is decoded, and made clean."""

from __future__ import annotations

import asyncio
import binascii
import io
import re
import struct
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from PIL import Image, ImageOps

from fluxhouse.generation.errors import InputImageRefused

MAX_BYTES = 20 * 1000 * 1000
MAX_PIXELS = 25 * 1000 * 1000
MAX_SIDE = 16_383  # pixels; the longest side that WebP can have
_WHITE = 128  # from here on a pixel of a mask counts as white, as the engine reads it
FORMATS = ("JPEG", "PNG", "WEBP", "GIF")

_ALLOWED = "JPEG, PNG, WebP or GIF pictures of at most 20 MB and 25 megapixels are allowed"
_DATA_URI = re.compile(r"data:image/(?:png|jpe?g|webp|gif);base64,", re.IGNORECASE)
_LONGEST_PREFIX = 32  # characters

# A decoder holds a whole picture: two at a time bound the memory, and leave the other threads to files.
_DECODERS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="decode-image")

# What Pillow's readers raise on damaged or hostile files.
_DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    EOFError,
    MemoryError,
    Warning,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


async def accept(content: bytes, field: str) -> tuple[bytes, int, int]:
    """A picture sent as parameter `field`, as a PNG without metadata, and its width and height in pixels.

    The PNG is 8-bit RGB, turned upright where EXIF says so, transparency laid on white; of several frames the first.
    Raises InputImageRefused, naming `field` and what is allowed; also for a mask, as the field's name says, that is
    black everywhere: nothing would be repainted.
    """
    if len(content) > MAX_BYTES:
        raise refused(field, "is too large")
    return await asyncio.get_running_loop().run_in_executor(_DECODERS, _accept, content, field)


async def mask_of_alpha(content: bytes, field: str) -> bytes:
    """A picture's transparency as a mask: a PNG, white where it is wholly transparent and black elsewhere.

    Raises InputImageRefused, also for a picture without transparency.
    """
    if len(content) > MAX_BYTES:
        raise refused(field, "is too large")
    return await asyncio.get_running_loop().run_in_executor(_DECODERS, _mask_of_alpha, content, field)


def from_data_uri(uri: str, field: str) -> bytes:
    """The bytes of a `data:image/png;base64,...` URI (or jpeg, webp, gif); raises InputImageRefused."""
    match = _DATA_URI.match(uri[:_LONGEST_PREFIX])
    if match is None:
        raise refused(field, "is not a data URI such as data:image/png;base64,...")
    return from_base64(uri[match.end() :], field)


def from_base64(text: str, field: str) -> bytes:
    """The bytes of strict base64 text: standard alphabet, padded, no line breaks; raises InputImageRefused."""
    if len(text) > (MAX_BYTES + 2) // 3 * 4:
        raise refused(field, "is too large")
    try:
        content = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise refused(field, "is not valid base64") from None
    # Python's strict mode lets padding after a full group pass.
    if len(text) != (len(content) + 2) // 3 * 4:
        raise refused(field, "is not valid base64")
    return content


def refused(field: str, reason: str) -> InputImageRefused:
    """The error for a picture in parameter `field` that `reason` speaks against."""
    return InputImageRefused(f"{field} {reason}; {_ALLOWED}.", field=field)


def _accept(content: bytes, field: str) -> tuple[bytes, int, int]:
    clean = _decoded(content, field, _rgb)
    if "mask" in field and not any(clean.convert("L").histogram()[_WHITE:]):
        raise InputImageRefused(f"{field} is black everywhere: what shall be repainted is white.", field=field)
    return _png(clean), clean.width, clean.height


def _mask_of_alpha(content: bytes, field: str) -> bytes:
    return _png(_decoded(content, field, lambda image: _transparent(image, field)))


def _transparent(image: Image.Image, field: str) -> Image.Image:
    alpha = image.convert("RGBA").getchannel("A")
    if not alpha.histogram()[0]:
        raise InputImageRefused(f"{field} has no transparent pixel: those are what shall be repainted.", field=field)
    return alpha.point(lambda value: 0 if value else 255)


def _decoded(content: bytes, field: str, picked: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """What `picked` takes from the picture, turned upright."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            _check_size(image.size, field)
            image.load()
            return picked(ImageOps.exif_transpose(image))
    except InputImageRefused:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise refused(field, "has too many pixels") from None
    except _DAMAGED:
        raise refused(field, "is not a complete picture in an allowed format") from None


def _check_size(size: tuple[int, int], field: str) -> None:
    """Refuse by the size the file's header gives, before anything is decoded."""
    width, height = size
    if width < 1 or height < 1:
        raise refused(field, "has no pixels")
    if width * height > MAX_PIXELS or max(size) > MAX_SIDE:
        raise refused(field, f"has too many pixels ({width} x {height})")


def _rgb(image: Image.Image) -> Image.Image:
    """The picture's 8-bit RGB pixels alone."""
    if image.mode.startswith("I"):
        # 16 bits a pixel: a plain conversion would clip, not scale.
        image = image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        paper = Image.new("RGB", image.size, "white")
        paper.paste(layer, mask=layer.getchannel("A"))
        return paper
    return image.convert("RGB")


def _png(image: Image.Image) -> bytes:
    image.info.clear()  # colour profile, text and EXIF would be written again
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()
