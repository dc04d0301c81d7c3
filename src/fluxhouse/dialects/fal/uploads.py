"""Uploads: an address to put a picture to and one to name it by, or both in one call as Python's client has it."""

from __future__ import annotations

from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fluxhouse.catalog.parameter import Parameter
from fluxhouse.core.files import LONGEST_NAME
from fluxhouse.core.ids import new_id
from fluxhouse.core.keys import Caller, Scope
from fluxhouse.dialects.answering import address
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.fal import wishes
from fluxhouse.dialects.fal.problems import FileTooLarge
from fluxhouse.dialects.fal.spelling import CDN, ROOT
from fluxhouse.dialects.fal.submitting import key_of
from fluxhouse.dialects.uploading import Upload, admit, is_kept, keep
from fluxhouse.dialects.wire import json_object, read_body, refuse_query
from fluxhouse.generation.errors import InvalidParameter, UnsupportedParameter
from fluxhouse.storage import images

_STORAGE_TYPE = "storage_type"
_TIME_TO_PUT = timedelta(hours=1)
_TOKEN_LASTS = timedelta(hours=1)
_FIELD = "file"
# In storage and below the public URL: so an address of ours is read and never fetched.
_FOLDER = f"{ROOT[1:]}/files"
_SIGNED = ("expires", "signature")
_NAME = Parameter(name="file_name", type="string", max_length=1000)
_TYPE = Parameter(name="content_type", type="string", max_length=200)
_NO_STORE = {"Cache-Control": "no-store"}
# Whatever a file holds, a browser shows it as a picture of this type or not at all.
_SAFE = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"}


class Uploads:
    """Keeps pictures; whoever holds a file's address may read it, or name it as an input, until it expires."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def initiate(self, request: Request) -> Response:
        """`POST /fal/rest/storage/upload/initiate`: where to put a picture, and where it will be."""
        refuse_query(request, (_STORAGE_TYPE,))
        caller = await self._with_room(request)
        body = await json_object(await read_body(request, 64 * 1024), request.headers.get("content-type"))
        if unknown := [name for name in body if name not in (_NAME.name, _TYPE.name)]:
            shown = unknown[0][:100]
            raise InvalidParameter(f"`{shown}`: an upload has `content_type` and `file_name`.", field=shown)
        _NAME.check(body.get(_NAME.name))
        _require_picture(_TYPE.check(body.get(_TYPE.name)))
        file_id, now = new_id(), self._door.clock.now()
        put_to = self._door.signer.sign(_place(caller.account.id, file_id), now + _TIME_TO_PUT)
        return JSONResponse({"upload_url": put_to, "file_url": self._url(file_id, now)}, headers=_NO_STORE)

    async def put(self, request: Request) -> Response:
        """`PUT` of the bytes, by the address alone; a second one changes nothing. Raises `UnknownFile` and `Gone`."""
        account_id, file_id = request.path_params["account"], request.path_params["file"]
        self._require_signed(request, _place(account_id, file_id))
        await self._keep(account_id, file_id, await read_body(request, images.MAX_BYTES), None)
        return Response(status_code=200)

    async def token(self, request: Request) -> Response:
        """`POST /fal/rest/storage/auth/token`: what opens the address of uploads is the caller's own key again."""
        refuse_query(request, (_STORAGE_TYPE,))
        await self._door.authenticate(key_of(request), Scope.RUN)
        body = {
            "token": key_of(request),
            "token_type": "Key",
            "base_url": address(self._door, CDN),
            "expires_at": (self._door.clock.now() + _TOKEN_LASTS).isoformat(timespec="seconds"),
        }
        return JSONResponse(body, headers=_NO_STORE)

    async def add(self, request: Request) -> Response:
        """`POST /fal/cdn/files/upload`: the bytes, and the address in answer."""
        refuse_query(request)
        caller = await self._with_room(request)
        _require_picture(request.headers.get("content-type"))
        file_id, now = new_id(), self._door.clock.now()
        name = request.headers.get("x-fal-file-name")
        await self._keep(caller.account.id, file_id, await read_body(request, images.MAX_BYTES), name)
        return JSONResponse({"access_url": self._url(file_id, now)}, headers=_NO_STORE)

    async def in_parts(self, request: Request) -> Response:
        """The start of an upload in parts: clients make it for files larger than a picture may be."""
        await self._door.authenticate(key_of(request), Scope.RUN)
        raise FileTooLarge(f"A file is uploaded in one piece of at most {images.MAX_BYTES:,} bytes.", field=_FIELD)

    async def get(self, request: Request) -> Response:
        """`GET /fal/files/{file}`: the bytes, for whoever holds the address; raises `UnknownFile` and `Gone`."""
        key = f"{_FOLDER}/{request.path_params['file']}"
        self._require_signed(request, key)
        return Response(await self._door.storage.get(key), headers=_SAFE | _NO_STORE, media_type="image/png")

    def _require_signed(self, request: Request, key: str) -> None:
        refuse_query(request, _SIGNED)
        expires, signature = (request.query_params.get(name, "") for name in _SIGNED)
        self._door.signer.check(key, expires, signature, self._door.clock.now())

    async def _with_room(self, request: Request) -> Caller:
        """Who uploads; raises `FileQuotaExceeded` and `UnsupportedParameter` before anything is read."""
        caller = await admit(self._door, key_of(request))
        wishes.refuse_unsupported(request)
        return caller

    async def _keep(self, account_id: str, file_id: str, content: bytes, name: str | None) -> None:
        if await self._door.database.read(lambda connection: is_kept(connection, account_id, file_id)):
            return
        named = None if name is None else name[:LONGEST_NAME]
        await keep(self._door, Upload(account_id, content, _FIELD, file_id, _FOLDER, named))

    def _url(self, file_id: str, now: datetime) -> str:
        return self._door.signer.sign(f"{_FOLDER}/{file_id}.png", now + self._door.options.output_ttl)


def _place(account_id: str, file_id: str) -> str:
    """Where a picture is put, below the public URL."""
    return f"{CDN[1:]}/uploads/{account_id}/{file_id}"


def _require_picture(kind: object) -> None:
    """Raise `UnsupportedParameter` for what does not say that it is, or may be, a picture."""
    text = str(kind or "application/octet-stream").partition(";")[0].strip().lower()
    if not text.startswith("image/") and text != "application/octet-stream":
        message = f"`content_type` must be image/… (JPEG, PNG, WebP or GIF), not `{text[:100]}`; LoRAs: /api/v1/loras."
        raise UnsupportedParameter(message, field=_TYPE.name)
