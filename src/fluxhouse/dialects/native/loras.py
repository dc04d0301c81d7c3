"""Registered LoRAs: handed in as files or by address once, and named by id in requests."""

from __future__ import annotations

import asyncio

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fluxhouse.core import loras
from fluxhouse.core.keys import Caller, Scope
from fluxhouse.core.loras import RegisteredLora
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.loras import LORA_PREFIX, MAX_BYTES
from fluxhouse.dialects.native.forms import open_upload
from fluxhouse.dialects.native.reading import bearer
from fluxhouse.dialects.submitting import count_rate
from fluxhouse.dialects.wire import WrongMediaType, chunks_of, instant, json_object, read_body, refuse_query, too_large
from fluxhouse.generation.errors import InvalidParameter, UnknownLora

_BYTES = "application/octet-stream"
UPLOAD_SECONDS = 1800.0  # a whole file on a slow line
_MAX_JSON_BYTES = 64 * 1024
_MAX_NAME = 100
_LONGEST_URL = 2000
_BATCH_BYTES = 1 << 20


class Loras:
    """`POST` and `GET /api/v1/loras`, `GET` and `DELETE /api/v1/loras/{lora}`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def add(self, request: Request) -> Response:
        """Keep a LoRA: JSON with `url`, a form with `file`, or the file itself, whose `name` stands in the query."""
        caller = await self._door.ask(bearer(request), Scope.RUN, self._with_room)
        await count_rate(self._door, caller)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != _BYTES:
            refuse_query(request)
        if kind == "application/json":
            lora = await self._add_place(caller, request)
        elif kind == "multipart/form-data":
            lora = await self._add_form(caller, request)
        elif kind == _BYTES:
            lora = await self._add_bytes(caller, request)
        else:
            raise WrongMediaType("send JSON with `url`, multipart/form-data with `file`, or application/octet-stream")
        return JSONResponse(_body(lora))

    async def list(self, request: Request) -> Response:
        """The account's LoRAs, newest first."""
        refuse_query(request)
        mine = await self._door.ask(
            bearer(request), Scope.READ, lambda connection, caller: loras.of_account(connection, caller.account.id)
        )
        return JSONResponse({"loras": [_body(lora) for lora in mine]})

    async def get(self, request: Request) -> Response:
        """One LoRA's facts."""
        return JSONResponse(_body(await self._owned(request, Scope.READ)))

    async def remove(self, request: Request) -> Response:
        """Forget a LoRA; jobs that were taken in with it are made all the same."""
        lora = await self._owned(request, Scope.RUN)
        await self._door.database.write(lambda connection: loras.remove(connection, lora.id))
        return JSONResponse({"loraId": f"{LORA_PREFIX}{lora.id}", "deleted": True})

    async def _add_place(self, caller: Caller, request: Request) -> RegisteredLora:
        content = await read_body(request, _MAX_JSON_BYTES)
        body = await json_object(content, request.headers.get("content-type"))
        if unknown := [name for name in body if name not in ("url", "name")]:
            shown = unknown[0][:100]
            raise InvalidParameter(f"`{shown}` is not known here; the body takes `url` and `name`.", field=shown)
        url, name = body.get("url"), body.get("name")
        if not isinstance(url, str) or not 0 < len(url) <= _LONGEST_URL or not url.isprintable():
            raise InvalidParameter(
                "`url` must be owner/name[/file] on Hugging Face, civitai:model@version, or the https address of a "
                ".safetensors file.",
                field="url",
            )
        checked = None if name is None else _checked_name(name)
        return await self._door.loras.register_place(caller, url, checked, self._door.clock.now())

    async def _add_form(self, caller: Caller, request: Request) -> RegisteredLora:
        async with (
            self._door.loras.open_draft(caller, self._door.clock.now()) as draft,
            open_upload(request, MAX_BYTES, texts=("name",), seconds=UPLOAD_SECONDS) as form,
        ):
            name = _checked_name(form.texts.get("name") or _without_suffix(form.file.filename or ""))
            while batch := await form.file.read(_BATCH_BYTES):
                await asyncio.to_thread(draft.write, batch)
            return await self._door.loras.register_file(caller, draft, name, self._door.clock.now())

    async def _add_bytes(self, caller: Caller, request: Request) -> RegisteredLora:
        name = _checked_name(request.query_params.get("name", ""))
        async with self._door.loras.open_draft(caller, self._door.clock.now()) as draft:
            size, batch = 0, bytearray()
            async for chunk in chunks_of(request, UPLOAD_SECONDS):
                size += len(chunk)
                if size > MAX_BYTES:
                    raise too_large(MAX_BYTES)
                batch += chunk
                if len(batch) >= _BATCH_BYTES:
                    await asyncio.to_thread(draft.write, bytes(batch))
                    batch.clear()
            draft.write(batch)
            return await self._door.loras.register_file(caller, draft, name, self._door.clock.now())

    def _with_room(self, connection: Connection, caller: Caller) -> Caller:
        loras.require_room(connection, caller.account.id, 1)
        return caller

    async def _owned(self, request: Request, scope: Scope) -> RegisteredLora:
        text: str = request.path_params["lora"]
        if not text.startswith(LORA_PREFIX) or len(text) > 100:
            raise UnknownLora
        lora_id = text.removeprefix(LORA_PREFIX)
        return await self._door.ask(
            bearer(request), scope, lambda connection, caller: loras.owned(connection, lora_id, caller.account.id)
        )


def _checked_name(name: object) -> str:
    if not isinstance(name, str) or not name.strip() or len(name) > _MAX_NAME or not name.isprintable():
        raise InvalidParameter(f"`name` must be 1 to {_MAX_NAME} printable characters.", field="name")
    return name


def _without_suffix(filename: str) -> str:
    return filename.removesuffix(".safetensors")[-_MAX_NAME:]


def _body(lora: RegisteredLora) -> dict[str, object]:
    known = {"source": lora.source, "trigger": lora.file.trigger}
    return {
        "loraId": f"{LORA_PREFIX}{lora.id}",
        "name": lora.name,
        "format": lora.file.format,
        "sizeBytes": lora.file.size_bytes,
        "sha256": lora.file.sha256,
        "ignoredTensors": lora.file.ignored,
        "createdAt": instant(lora.created_at),
        **{name: text for name, text in known.items() if text is not None},
    }
