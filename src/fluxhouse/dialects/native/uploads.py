"""Uploaded files: pictures handed in once and named by id as input images."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from sqlalchemy import Connection
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fluxhouse.core import files
from fluxhouse.core.files import File
from fluxhouse.core.ids import new_id
from fluxhouse.core.keys import Caller, Scope
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.intake import FILE_PREFIX
from fluxhouse.dialects.native.reading import bearer
from fluxhouse.dialects.wire import WrongMediaType, chunks_of, instant, read_body, too_large
from fluxhouse.generation.errors import FileQuotaExceeded, Gone, InvalidParameter, RequestRejected, UnknownFile
from fluxhouse.storage import images

FIELD = "file"
_FORM_BYTES = images.MAX_BYTES + 64 * 1024  # the picture and the form around it


class Uploads:
    """`POST /api/v1/files`, `GET` and `DELETE /api/v1/files/{file}`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def add(self, request: Request) -> Response:
        """Keep a picture, sent as the form field `file` or as the body itself; without room it is not even read."""
        door = self._door
        caller = await door.ask(bearer(request), Scope.RUN, self._with_room)
        clean, width, height = await images.accept(await _picture_in(request), FIELD)
        now, file_id = door.clock.now(), new_id()
        file = File(
            id=file_id,
            account_id=caller.account.id,
            key=f"files/{file_id}.png",
            content_type="image/png",
            width=width,
            height=height,
            size_bytes=len(clean),
            created_at=now,
            expires_at=now + door.options.output_ttl,
        )
        await door.storage.put(file.key, clean)
        try:
            await door.database.write(lambda connection: files.add(connection, file))
        except FileQuotaExceeded:
            await door.storage.delete(file.key)
            raise
        return JSONResponse(_body(file))

    def _with_room(self, connection: Connection, caller: Caller) -> Caller:
        files.require_room(connection, caller.account.id, 1, self._door.clock.now())
        return caller

    async def get(self, request: Request) -> Response:
        """An uploaded file's facts."""
        return JSONResponse(_body(await self._owned(request, Scope.READ)))

    async def remove(self, request: Request) -> Response:
        """Forget an uploaded file; jobs that were given it have their own copy."""
        file = await self._owned(request, Scope.RUN)
        await self._door.database.write(lambda connection: files.remove(connection, file.id))
        await self._door.storage.delete(file.key)
        return JSONResponse({"fileId": f"{FILE_PREFIX}{file.id}", "deleted": True})

    async def _owned(self, request: Request, scope: Scope) -> File:
        text: str = request.path_params["file"]
        file = await self._door.ask(
            bearer(request),
            scope,
            lambda connection, caller: files.owned(connection, _file_id_of(text), caller.account.id),
        )
        if file.expires_at <= self._door.clock.now():
            raise Gone("The file has expired.")
        return file


def _file_id_of(text: str) -> str:
    if not text.startswith(FILE_PREFIX) or len(text) > 100:
        raise UnknownFile
    return text.removeprefix(FILE_PREFIX)


def _body(file: File) -> dict[str, object]:
    return {
        "fileId": f"{FILE_PREFIX}{file.id}",
        "contentType": file.content_type,
        "width": file.width,
        "height": file.height,
        "sizeBytes": file.size_bytes,
        "createdAt": instant(file.created_at),
        "expiresAt": instant(file.expires_at),
    }


async def _picture_in(request: Request) -> bytes:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _form_file(request)
    if kind.startswith("image/") or kind == "application/octet-stream":
        return await read_body(request, images.MAX_BYTES)
    raise WrongMediaType("send multipart/form-data with the field `file`, or the picture itself as image/*")


async def _form_file(request: Request) -> bytes:
    parser = MultiPartParser(request.headers, _capped(request), max_files=1, max_fields=1)
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        # KeyError and ValueError: a boundary or charset that is missing or makes no sense.
        reason = error.message if isinstance(error, MultiPartException) else "the form is malformed"
        raise RequestRejected(reason) from None
    try:
        if unknown := [name for name in form if name != FIELD]:
            raise InvalidParameter(f"the form takes the field `{FIELD}` alone", field=unknown[0][:100])
        upload = form.get(FIELD)
        if not isinstance(upload, UploadFile):
            raise InvalidParameter("the form needs one file in the field `file`", field=FIELD)
        return await upload.read()
    finally:
        await form.close()


async def _capped(request: Request) -> AsyncGenerator[bytes, None]:
    size = 0
    async for chunk in chunks_of(request):
        size += len(chunk)
        if size > _FORM_BYTES:
            raise too_large(_FORM_BYTES)
        yield chunk
