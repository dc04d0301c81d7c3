"""Forms as they arrive: bounded in bytes, parts and time, refused in words where malformed, and closed in the end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from starlette.datastructures import FormData, Headers
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from fluxhouse.dialects.wire import BODY_SECONDS, chunks_of, too_large
from fluxhouse.generation.errors import RequestRejected

AROUND_BYTES = 64 * 1024  # what a form may hold beside its file
LONGEST_TEXT = 1024 * 1024  # bytes of a field that is no file


@asynccontextmanager
async def open_form(
    headers: Headers, chunks: AsyncGenerator[bytes, None], *, max_files: int, max_fields: int
) -> AsyncIterator[FormData]:
    """The parts of a multipart form; raises `RequestRejected`."""
    parser = MultiPartParser(headers, chunks, max_files=max_files, max_fields=max_fields, max_part_size=LONGEST_TEXT)
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        # KeyError and ValueError: a boundary or charset that is missing or makes no sense.
        reason = error.message if isinstance(error, MultiPartException) else "the form is malformed"
        raise RequestRejected(reason) from None
    try:
        yield form
    finally:
        await form.close()


async def capped(request: Request, file_bytes: int, seconds: float = BODY_SECONDS) -> AsyncGenerator[bytes, None]:
    """A form's body with a file of at most that many bytes; raises `BodyTooLarge`, and see `chunks_of`."""
    size, most = 0, file_bytes + AROUND_BYTES
    async for chunk in chunks_of(request, seconds):
        size += len(chunk)
        if size > most:
            raise too_large(most)
        yield chunk
