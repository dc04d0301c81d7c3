"""Forms that bring one file, and perhaps a few words about it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request

from fluxhouse.dialects.forms import capped, open_form
from fluxhouse.dialects.wire import BODY_SECONDS
from fluxhouse.generation.errors import InvalidParameter

FIELD = "file"


@dataclass(frozen=True, slots=True)
class Form:
    """The file in the field `file`, and the other fields that were given."""

    file: UploadFile
    texts: Mapping[str, str]


@asynccontextmanager
async def open_upload(
    request: Request, max_bytes: int, texts: Sequence[str] = (), seconds: float = BODY_SECONDS
) -> AsyncIterator[Form]:
    """A form with one file of at most `max_bytes` and perhaps `texts`; raises `RequestRejected`."""
    chunks = capped(request, max_bytes, seconds)
    async with open_form(request.headers, chunks, max_files=1, max_fields=1 + len(texts)) as form:
        yield _checked(form, texts)


def _checked(form: FormData, texts: Sequence[str]) -> Form:
    takes = ", ".join(f"`{name}`" for name in (FIELD, *texts))
    if unknown := [name for name in form if name not in (FIELD, *texts)]:
        raise InvalidParameter(f"the form takes {takes} alone", field=unknown[0][:100])
    upload = form.get(FIELD)
    if not isinstance(upload, UploadFile):
        raise InvalidParameter(f"the form needs one file in the field `{FIELD}`", field=FIELD)
    return Form(upload, {name: text for name in texts if isinstance(text := form.get(name), str)})
