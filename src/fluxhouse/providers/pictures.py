"""Pictures on their way to a vendor and back: what goes in as data URIs, what comes out as it was asked for."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from fluxhouse.generation.errors import ProviderFailed
from fluxhouse.generation.request import GenerationRequest, OutputFormat

_MAX_PIXELS = 64_000_000
FORMATS = {OutputFormat.PNG: "PNG", OutputFormat.JPEG: "JPEG", OutputFormat.WEBP: "WEBP"}
_READ = ("PNG", "JPEG", "WEBP")


@dataclass(frozen=True, slots=True)
class Picture:
    """An input picture: its bytes and their media type."""

    content: bytes
    content_type: str

    @classmethod
    def read(cls, path: Path) -> Picture:
        """The picture in a file; one that is neither PNG, JPEG nor WebP becomes a PNG."""
        content = path.read_bytes()
        with Image.open(io.BytesIO(content)) as image:
            if image.format in _READ:
                return cls(content, Image.MIME[image.format])
            file = io.BytesIO()
            image.convert("RGB").save(file, "PNG")
            return cls(file.getvalue(), "image/png")

    @property
    def base64(self) -> str:
        return base64.b64encode(self.content).decode()

    @property
    def uri(self) -> str:
        """The picture as a data URI."""
        return f"data:{self.content_type};base64,{self.base64}"


def fitted(content: bytes, request: GenerationRequest) -> bytes:
    """A vendor's picture in the size and format asked for: its own bytes where it has both already.

    A picture of other proportions is cut at its edges. Raises `ProviderFailed` where it is none.
    """
    try:
        with Image.open(io.BytesIO(content), formats=_READ) as image:
            size, format = (request.width, request.height), FORMATS[request.format]
            if image.size == size and image.format == format:
                image.verify()
                return content
            if image.width * image.height > _MAX_PIXELS:
                raise ProviderFailed("The provider's image is larger than any that was asked for.", charged=True)
            picture = image.convert("RGB")
        if picture.size != size:
            picture = ImageOps.fit(picture, size, Image.Resampling.LANCZOS)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ProviderFailed("The provider's answer is not a picture.", charged=True) from error
    file = io.BytesIO()
    options = {} if request.format is OutputFormat.PNG else {"quality": request.quality}
    picture.save(file, format, **options)
    return file.getvalue()


def transparent_where_white(picture: Picture, mask: Picture) -> Picture:
    """The mask of a vendor that repaints where it is transparent, in the size of the picture."""
    with Image.open(io.BytesIO(picture.content)) as shown, Image.open(io.BytesIO(mask.content)) as drawn:
        alpha = ImageOps.invert(drawn.convert("L").resize(shown.size))
        turned = shown.convert("RGB")
    turned.putalpha(alpha)
    file = io.BytesIO()
    turned.save(file, "PNG")
    return Picture(file.getvalue(), "image/png")


def nearest(width: int, height: int, ratios: Sequence[str]) -> str:
    """The one of these `W:H` that is most like the size."""
    return min(ratios, key=lambda ratio: abs(_proportion(ratio) / (width / height) - 1))


def _proportion(ratio: str) -> float:
    wide, _, high = ratio.partition(":")
    return int(wide) / int(high)
