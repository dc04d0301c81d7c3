"""Forms that bring one file: parsed as they arrive, bounded in bytes and time, and closed in the end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from fluxhouse.dialects.wire import BODY_SECONDS, chunks_of, too_large
from fluxhouse.generation.errors import InvalidParameter, RequestRejected

FIELD = "file"
_AROUND_BYTES = 64 * 1024  # what a form may hold beside its file


@dataclass(frozen=True, slots=True)
class Form:
    """The file in the field `file`, and the other fields that were given."""

    file: UploadFile
    texts: Mapping[str, str]


@asynccontextmanager
async def open_form(
    request: Request, max_bytes: int, texts: Sequence[str] = (), seconds: float = BODY_SECONDS
) -> AsyncIterator[Form]:
    """A form with one file of at most `max_bytes` and perhaps `texts`; raises `RequestRejected`."""
    chunks = _capped(request, max_bytes + _AROUND_BYTES, seconds)
    parser = MultiPartParser(request.headers, chunks, max_files=1, max_fields=1 + len(texts))
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        # KeyError and ValueError: a boundary or charset that is missing or makes no sense.
        reason = error.message if isinstance(error, MultiPartException) else "the form is malformed"
        raise RequestRejected(reason) from None
    try:
        yield _checked(form, texts)
    finally:
        await form.close()


def _checked(form: FormData, texts: Sequence[str]) -> Form:
    takes = ", ".join(f"`{name}`" for name in (FIELD, *texts))
    if unknown := [name for name in form if name not in (FIELD, *texts)]:
        raise InvalidParameter(f"the form takes {takes} alone", field=unknown[0][:100])
    upload = form.get(FIELD)
    if not isinstance(upload, UploadFile):
        raise InvalidParameter(f"the form needs one file in the field `{FIELD}`", field=FIELD)
    return Form(upload, {name: text for name in texts if isinstance(text := form.get(name), str)})


async def _capped(request: Request, most: int, seconds: float) -> AsyncGenerator[bytes, None]:
    size = 0
    async for chunk in chunks_of(request, seconds):
        size += len(chunk)
        if size > most:
            raise too_large(most)
        yield chunk
