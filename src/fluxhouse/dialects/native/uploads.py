"""Uploaded files: pictures handed in once and named by id as input images."""

from __future__ import annotations

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fluxhouse.core import files
from fluxhouse.core.files import File
from fluxhouse.core.ids import new_id
from fluxhouse.core.keys import Caller, Scope
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.intake import FILE_PREFIX
from fluxhouse.dialects.native.forms import FIELD, open_form
from fluxhouse.dialects.native.reading import bearer
from fluxhouse.dialects.wire import WrongMediaType, instant, read_body
from fluxhouse.generation.errors import FileQuotaExceeded, Gone, UnknownFile
from fluxhouse.storage import images


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
        async with open_form(request, images.MAX_BYTES) as form:
            return await form.file.read()
    if kind.startswith("image/") or kind == "application/octet-stream":
        return await read_body(request, images.MAX_BYTES)
    raise WrongMediaType("send multipart/form-data with the field `file`, or the picture itself as image/*")
