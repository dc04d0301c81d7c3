"""Incoming pictures: what is accepted, what is refused before it is decoded, and what comes out."""

import asyncio
import base64
import io
import random
import struct
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from fluxhouse.generation.errors import InputImageRefused
from fluxhouse.storage import images
from fluxhouse.storage.images import accept, from_base64, from_data_uri

FORMATS = ["JPEG", "PNG", "WEBP", "GIF"]


def picture(mode: str = "RGB", size: tuple[int, int] = (64, 48)) -> Image.Image:
    """A picture with enough detail that cutting its file in half loses pixels."""
    noise = random.Random(7).randbytes(size[0] * size[1] * 3)
    return Image.frombytes("RGB", size, noise).convert(mode)


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def png_of_size(width: int, height: int) -> bytes:
    """A tiny PNG whose header claims a size; its data are two empty blocks."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


async def refusal(content: bytes) -> InputImageRefused:
    with pytest.raises(InputImageRefused) as caught:
        await accept(content, "input_image")
    assert caught.value.field == "input_image"
    assert "input_image" in caught.value.message
    assert "JPEG, PNG, WebP or GIF" in caught.value.message
    return caught.value


@pytest.mark.parametrize("format", FORMATS)
async def test_allowed_formats_become_rgb_png(format: str) -> None:
    """Each allowed format comes out as an RGB PNG of the same size."""
    content, width, height = await accept(encoded(picture(), format), "image")
    result = opened(content)
    assert (result.format, result.mode, result.size) == ("PNG", "RGB", (64, 48))
    assert (width, height) == (64, 48)


async def test_lossless_pixels_stay() -> None:
    """The pixels of a PNG come out unchanged."""
    content, _, _ = await accept(encoded(picture(), "PNG"), "image")
    assert opened(content).tobytes() == picture().tobytes()


@pytest.mark.parametrize("format", ["BMP", "TIFF", "ICO", "PPM", "TGA", "PDF", "AVIF", "JPEG2000"])
async def test_other_formats_are_refused(format: str) -> None:
    """What Pillow could read beside the four formats is refused."""
    await refusal(encoded(picture(size=(32, 32)), format))


@pytest.mark.parametrize(
    "content", [b"", b"\x00", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"GIF89a", b"\xff\xd8\xff"]
)
async def test_what_is_no_picture_is_refused(content: bytes) -> None:
    """Empty, foreign and stub files are refused."""
    assert "not a complete picture" in (await refusal(content)).message


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
async def test_truncated_files_are_refused(format: str, share: float) -> None:
    """A file that ends early is refused rather than filled up with grey."""
    whole = encoded(picture(size=(200, 150)), format)
    await refusal(whole[: int(len(whole) * share)])


@pytest.mark.parametrize("size", [(5001, 5000), (16_384, 10), (10, 16_384), (20_000, 20_000), (2**31 - 1, 2**31 - 1)])
async def test_bombs_are_refused_by_their_header(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture that claims too many pixels is refused without decoding a single one."""

    def decoded(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", decoded)
    assert "too many pixels" in (await refusal(png_of_size(*size))).message


async def test_a_text_bomb_in_metadata_is_refused() -> None:
    """Compressed metadata that unpack to hundreds of megabytes are not unpacked."""
    text = zlib.compress(b"\x00" * 100_000_000)
    content = b"Comment\x00\x00" + text
    chunk = struct.pack(">I", len(content)) + b"zTXt" + content + struct.pack(">I", zlib.crc32(b"zTXt" + content))
    whole = encoded(picture(), "PNG")
    await refusal(whole[:33] + chunk + whole[33:])


async def test_too_many_bytes_are_refused() -> None:
    """A file over the size cap is refused whatever it holds."""
    assert "too large" in (await refusal(encoded(picture(), "PNG") + bytes(images.MAX_BYTES))).message


async def test_the_largest_allowed_picture_is_accepted() -> None:
    """Twenty-five megapixels are allowed."""
    _, width, height = await accept(encoded(Image.new("L", (5000, 5000)), "PNG"), "image")
    assert (width, height) == (5000, 5000)


@pytest.mark.parametrize(("orientation", "size"), [(1, (64, 48)), (3, (64, 48)), (6, (48, 64)), (8, (48, 64))])
async def test_exif_orientation_is_applied(orientation: int, size: tuple[int, int]) -> None:
    """A turned photograph is stored upright, and its size is the upright one."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    content, width, height = await accept(encoded(picture(), "JPEG", exif=exif), "image")
    assert (width, height) == opened(content).size == size


async def test_metadata_are_stripped() -> None:
    """Nothing but pixels is stored: no EXIF, no text, no colour profile."""
    exif = Image.Exif()
    exif[0x010E] = "canary"
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "canary")
    for source in (
        encoded(picture(), "PNG", exif=exif, pnginfo=text, icc_profile=b"canary" * 30),
        encoded(picture(), "JPEG", exif=exif, comment=b"canary", icc_profile=b"canary" * 30),
    ):
        content, _, _ = await accept(source, "image")
        assert b"canary" in source
        assert b"canary" not in content
        assert opened(content).info == {}


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
async def test_every_png_mode_becomes_rgb(mode: str) -> None:
    """Black and white, grey, palette, transparent and 16-bit PNGs come out as RGB."""
    source = Image.new("I;16", (4, 4)) if mode == "I;16" else picture(mode)
    content, _, _ = await accept(encoded(source, "PNG"), "image")
    assert opened(content).mode == "RGB"


async def test_sixteen_bits_are_scaled() -> None:
    """A 16-bit grey value keeps its brightness."""
    source = Image.new("I;16", (1, 1))
    source.putpixel((0, 0), 32_896)
    content, _, _ = await accept(encoded(source, "PNG"), "image")
    assert opened(content).getpixel((0, 0)) == (128, 128, 128)


async def test_cmyk_photographs_become_rgb() -> None:
    """A JPEG for print is accepted."""
    content, _, _ = await accept(encoded(picture("CMYK"), "JPEG"), "image")
    assert opened(content).mode == "RGB"


async def test_transparency_is_laid_on_white() -> None:
    """What is transparent comes out white, also in a palette picture."""
    clear = Image.new("RGBA", (2, 2), (255, 0, 0, 0))
    palette = Image.new("P", (2, 2), 0)
    palette.putpalette([255, 0, 0] * 256)
    for source in (encoded(clear, "PNG"), encoded(palette, "PNG", transparency=0)):
        content, _, _ = await accept(source, "image")
        assert opened(content).getpixel((0, 0)) == (255, 255, 255)


async def test_a_mask_that_covers_nothing_is_refused() -> None:
    """Black everywhere leaves nothing to repaint; one white spot, or transparency, is enough; pictures may be black."""
    black = Image.new("L", (8, 8), 127)
    await accept(encoded(black, "PNG"), "image")
    with pytest.raises(InputImageRefused, match="black everywhere") as caught:
        await accept(encoded(black, "PNG"), "mask")
    assert caught.value.field == "mask"
    black.putpixel((3, 3), 255)
    await accept(encoded(black, "PNG"), "mask")
    await accept(encoded(Image.new("RGBA", (8, 8), (0, 0, 0, 0)), "PNG"), "mask")


async def test_transparency_becomes_a_mask() -> None:
    """What is wholly transparent is white in the mask, everything else black."""
    sheet = Image.new("RGBA", (4, 1), (10, 20, 30, 255))
    for x, alpha in enumerate((0, 1, 128, 255)):
        sheet.putpixel((x, 0), (10, 20, 30, alpha))
    mask = opened(await images.mask_of_alpha(encoded(sheet, "PNG"), "mask"))
    assert (mask.mode, list(mask.tobytes())) == ("L", [255, 0, 0, 0])


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
async def test_a_mask_without_a_transparent_pixel_is_refused(mode: str) -> None:
    """Neither a picture without transparency nor one that is opaque everywhere says what to repaint."""
    with pytest.raises(InputImageRefused, match="no transparent pixel") as refused:
        await images.mask_of_alpha(encoded(picture(mode), "PNG"), "mask")
    assert refused.value.field == "mask"


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP"])
async def test_the_first_frame_of_an_animation_counts(format: str) -> None:
    """Of several frames the first is kept."""
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    options = {"lossless": True} if format == "WEBP" else {}
    source = encoded(frames[0], format, save_all=True, append_images=frames[1:], **options)
    content, _, _ = await accept(source, "image")
    assert opened(content).getpixel((0, 0)) == (255, 0, 0)


@settings(max_examples=150, deadline=None)
@given(
    format=st.sampled_from(FORMATS),
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.binary(min_size=1, max_size=8)), min_size=1, max_size=6),
)
def test_damaged_files_are_accepted_or_refused(format: str, changes: list[tuple[int, bytes]]) -> None:
    """Whatever bytes are changed, the outcome is a clean picture or the typed refusal, never another error."""
    content = bytearray(encoded(picture(), format))
    for place, replacement in changes:
        start = place % len(content)
        content[start : start + len(replacement)] = replacement
    try:
        _, width, height = asyncio.run(accept(bytes(content), "image"))
    except InputImageRefused:
        return
    assert width * height <= images.MAX_PIXELS


async def test_two_pictures_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many pictures come at once, two are decoded at a time and the loop stays free."""
    running: list[int] = []
    active = 0
    whole: Callable[[bytes, str], tuple[bytes, int, int]] = images._accept

    def counted(content: bytes, field: str) -> tuple[bytes, int, int]:
        nonlocal active
        active += 1
        running.append(active)
        try:
            return whole(content, field)
        finally:
            active -= 1

    monkeypatch.setattr(images, "_accept", counted)
    source = encoded(picture(size=(600, 600)), "PNG")
    results = await asyncio.gather(*(accept(source, "image") for _ in range(8)))
    assert {result[1:] for result in results} == {(600, 600)}
    assert max(running) <= 2


@pytest.mark.parametrize("kind", ["png", "jpeg", "jpg", "webp", "gif", "PNG"])
def test_data_uris_are_read(kind: str) -> None:
    """A base64 data URI of an allowed type gives its bytes."""
    assert from_data_uri(f"data:image/{kind};base64," + base64.b64encode(b"bytes").decode(), "image") == b"bytes"


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "data:",
        "data:image/png,abcd",
        "data:text/html;base64,AAAA",
        "data:image/svg+xml;base64,AAAA",
        "https://x/",
        "data:image/png;base64,AAA",
        "data:image/png;base64,AA\nAA",
        "data:image/png;base64,A-_A",
        "data:image/png;base64,é",
        "data:image/png;charset=x;base64,AAAA",
        "data:image/png;base64,AAAA====",
        "x" * 1000,
    ],
)
def test_other_data_uris_are_refused(uri: str) -> None:
    """Other types, missing base64, loose or cut base64 are refused with the field's name."""
    with pytest.raises(InputImageRefused) as caught:
        from_data_uri(uri, "image")
    assert caught.value.field == "image"


def test_long_base64_is_refused_before_it_is_decoded() -> None:
    """Base64 of more than the size cap is refused by its length."""
    with pytest.raises(InputImageRefused, match="too large"):
        from_base64("A" * (images.MAX_BYTES // 3 * 4 + 8), "image")
