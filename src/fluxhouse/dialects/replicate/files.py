"""The files API: pictures handed in once, and named as inputs by their address."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fluxhouse.core import accounts, files, webhook_secrets
from fluxhouse.core.cursors import cursor_of
from fluxhouse.core.files import LONGEST_NAME, File
from fluxhouse.core.keys import Caller, Scope
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.forms import capped, open_form
from fluxhouse.dialects.replicate.addresses import Addresses
from fluxhouse.dialects.replicate.creating import token_in
from fluxhouse.dialects.replicate.spelling import moment, own_id, spelled
from fluxhouse.dialects.uploading import Upload, admit, keep
from fluxhouse.dialects.wire import WrongMediaType, cursor_in
from fluxhouse.generation.errors import InvalidParameter, UnknownFile
from fluxhouse.storage import images

PAGE = 100
_MOST_METADATA = 16 * 1024  # bytes
_FIELDS = ("content", "filename", "type", "metadata")
_MOST_FIELDS = 50
_ENTRY = re.compile(r"metadata\[([^\[\]]{1,100})\]")  # how Python's newer client sends one entry of the metadata
DOWNLOAD_PARAMETERS = ("owner", "expiry", "signature")


@dataclass(frozen=True, slots=True)
class Sent:
    """What an upload's form says."""

    content: bytes
    name: str
    metadata: Mapping[str, Any]


class Files:
    """`POST` and `GET /v1/files`, `GET` and `DELETE /v1/files/{file}`, `GET /v1/files/{file}/download`."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._addresses = Addresses(door)

    async def add(self, request: Request) -> Response:
        """Keep a picture; an account without room is told so before anything is read."""
        caller = await admit(self._door, token_in(request))
        sent = await _sent(request)
        upload = Upload(caller.account.id, sent.content, "content", name=sent.name, metadata=sent.metadata)
        return JSONResponse(self._body(await keep(self._door, upload)), 201)

    async def list(self, request: Request) -> Response:
        """A page of the account's files, newest first."""
        now, place = self._door.clock.now(), cursor_in(request)
        found = await self._door.ask(
            token_in(request),
            Scope.READ,
            lambda connection, caller: files.page(connection, caller.account.id, now, PAGE + 1, place),
        )
        page = found[:PAGE]
        following = None
        if len(found) > PAGE:
            following = self._addresses.at(f"/v1/files?cursor={cursor_of(page[-1].created_at, page[-1].id)}")
        return JSONResponse({"previous": None, "next": following, "results": [self._body(file) for file in page]})

    async def get(self, request: Request) -> Response:
        """A file's facts; raises `UnknownFile`."""
        return JSONResponse(self._body(await self._owned(request, Scope.READ)))

    async def remove(self, request: Request) -> Response:
        """Forget a file; predictions that were given it have their own copy."""
        file = await self._owned(request, Scope.RUN)
        await self._door.database.write(lambda connection: files.remove(connection, file.id))
        await self._door.storage.delete(file.key)
        return Response(status_code=204)

    async def download(self, request: Request) -> Response:
        """The bytes, for whoever has its owner's signature of owner, id and expiry; raises `UnknownFile`."""
        query = {name: request.query_params.get(name, "") for name in DOWNLOAD_PARAMETERS}
        file_id, now = own_id(request.path_params["file"]), self._door.clock.now()
        if file_id is None or not _is_future(query["expiry"], now.timestamp()):
            raise UnknownFile
        signed = f"{query['owner']} {request.path_params['file']} {query['expiry']}".encode(errors="replace")
        pepper = self._door.options.pepper

        def opened(connection: Connection) -> File:
            account = None if "\0" in query["owner"] else accounts.by_name(connection, query["owner"])
            if account is None:
                raise UnknownFile
            valid = webhook_secrets.valid(connection, account.id, pepper, now)
            if not any(_signed(signed, entry.secret, query["signature"]) for entry in valid):
                raise UnknownFile
            return files.owned(connection, file_id, account.id)

        file = await self._door.database.read(opened)
        if file.expires_at <= now:
            raise UnknownFile
        headers = {"Content-Disposition": f'attachment; filename="{spelled(file.id)}.png"', "Cache-Control": "no-store"}
        safe = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"}
        return Response(await self._door.storage.get(file.key), 200, headers | safe, file.content_type)

    async def _owned(self, request: Request, scope: Scope) -> File:
        file_id = own_id(request.path_params["file"])

        def mine(connection: Connection, caller: Caller) -> File:
            if file_id is None:
                raise UnknownFile
            return files.owned(connection, file_id, caller.account.id)

        file = await self._door.ask(token_in(request), scope, mine)
        if file.expires_at <= self._door.clock.now():
            raise UnknownFile
        return file

    def _body(self, file: File) -> dict[str, Any]:
        digest = file.sha256 or ""
        return {
            "id": spelled(file.id),
            "name": file.name or f"{spelled(file.id)}.png",
            "content_type": file.content_type,
            "size": file.size_bytes,
            "etag": digest,
            "checksums": {"sha256": digest} if digest else {},
            "metadata": dict(file.metadata or {}),
            "created_at": moment(file.created_at),
            "expires_at": moment(file.expires_at),
            "urls": {"get": self._addresses.file(file.id)},
        }


def _is_future(expiry: str, now: float) -> bool:
    return expiry.isascii() and expiry.isdigit() and len(expiry) < 15 and int(expiry) > now


def _signed(message: bytes, secret: bytes, signature: str) -> bool:
    expected = base64.b64encode(hmac.digest(secret, message, hashlib.sha256))
    return hmac.compare_digest(expected, signature.encode(errors="replace"))


async def _sent(request: Request) -> Sent:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise WrongMediaType("send multipart/form-data with the part `content`")
    # JavaScript's client sends the metadata as a file of its own.
    async with open_form(
        request.headers, capped(request, images.MAX_BYTES), max_files=2, max_fields=_MOST_FIELDS
    ) as form:
        return await _read(form)


async def _read(form: FormData) -> Sent:
    if unknown := [name for name in form if name not in _FIELDS and not _ENTRY.fullmatch(name)]:
        shown = unknown[0][:100]
        raise InvalidParameter(f"`{shown}` is not a part of an upload; it takes: {', '.join(_FIELDS)}.", field=shown)
    content = form.get("content")
    if not isinstance(content, UploadFile):
        raise InvalidParameter("the form needs a file in the part `content`.", field="content")
    named = form.get("filename")
    name = str(named) if isinstance(named, str) and named else content.filename or "upload"
    if len(name) > LONGEST_NAME:
        raise InvalidParameter(f"`filename` may have at most {LONGEST_NAME} characters.", field="filename")
    entries = {match[1]: value for key, value in form.items() if (match := _ENTRY.fullmatch(key))}
    texts = {key: value for key, value in entries.items() if isinstance(value, str)}
    return Sent(await content.read(), name, {**await _metadata(form.get("metadata")), **texts})


async def _metadata(sent: UploadFile | str | None) -> Mapping[str, Any]:
    if sent is None:
        return {}
    text = await sent.read(_MOST_METADATA + 1) if isinstance(sent, UploadFile) else sent.encode(errors="replace")
    try:
        found = json.loads(text) if len(text) <= _MOST_METADATA else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidParameter(
            f"`metadata` must be a JSON object of at most {_MOST_METADATA:,} bytes.", field="metadata"
        )
    return found
