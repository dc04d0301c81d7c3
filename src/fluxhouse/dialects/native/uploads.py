"""Uploaded files: pictures handed in once and named by id as input images."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fluxhouse.core import files
from fluxhouse.core.files import File
from fluxhouse.core.keys import Scope
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.intake import FILE_PREFIX
from fluxhouse.dialects.native.forms import FIELD, open_upload
from fluxhouse.dialects.native.reading import bearer
from fluxhouse.dialects.uploading import Upload, admit, keep
from fluxhouse.dialects.wire import WrongMediaType, instant, read_body
from fluxhouse.generation.errors import Gone, UnknownFile
from fluxhouse.storage import images


class Uploads:
    """`POST /api/v1/files`, `GET` and `DELETE /api/v1/files/{file}`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def add(self, request: Request) -> Response:
        """Keep a picture, sent as the form field `file` or as the body itself; without room it is not even read."""
        caller = await admit(self._door, bearer(request))
        upload = Upload(caller.account.id, await _picture_in(request), FIELD)
        return JSONResponse(_body(await keep(self._door, upload)))

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
        async with open_upload(request, images.MAX_BYTES) as form:
            return await form.file.read()
    if kind.startswith("image/") or kind == "application/octet-stream":
        return await read_body(request, images.MAX_BYTES)
    raise WrongMediaType("send multipart/form-data with the field `file`, or the picture itself as image/*")
