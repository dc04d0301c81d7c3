"""The body of an edit: a form whose files are its pictures, or JSON that names them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from starlette.datastructures import FormData, Headers, UploadFile

from fluxhouse.dialects.forms import open_form
from fluxhouse.dialects.openai.asking import Picture, Shown
from fluxhouse.dialects.wire import json_object
from fluxhouse.generation.errors import InvalidParameter

_MOST_FILES = 20
_MOST_FIELDS = 100
IMAGE, MASK = "image", "mask"
_JSON_IMAGES = "images"
_REFERENCES = ("image_url", "file_id")


async def edit_body(content: bytes, content_type: str | None) -> Mapping[str, Any]:
    """The fields of an edit, a form's as text or bytes, with lists under `image` and `mask`.

    Raises `WrongMediaType`, `RequestRejected` and `InvalidParameter`.
    """
    if (content_type or "").partition(";")[0].strip().lower() != "multipart/form-data":
        return await json_object(content, content_type)
    async with open_form(
        Headers({"content-type": content_type or ""}), _at_once(content), max_files=_MOST_FILES, max_fields=_MOST_FIELDS
    ) as form:
        return await _fields(form)


def pictures_in(body: Mapping[str, Any]) -> tuple[dict[str, Any], Shown]:
    """The body without its pictures, and these; raises `InvalidParameter`."""
    rest = {name: value for name, value in body.items() if name not in (IMAGE, MASK, _JSON_IMAGES)}
    field = _JSON_IMAGES if _JSON_IMAGES in body else IMAGE
    images = [_picture(field, one) for one in _several(body.get(field))]
    if not images:
        raise InvalidParameter("`image` is required: the file of a PNG, JPEG, WebP or GIF picture.", field=IMAGE)
    masks = [_picture(MASK, one) for one in _several(body.get(MASK))]
    if len(masks) > 1:
        raise InvalidParameter("`mask` is given more than once.", field=MASK)
    return rest, Shown(images, masks)


def _several(value: object) -> Sequence[object]:
    if value is None:
        return ()
    return value if isinstance(value, list) else [value]


def _picture(field: str, value: object) -> Picture:
    """A picture as bytes of a form, or as JSON names it: `{"image_url": …}` or `{"file_id": …}`."""
    if isinstance(value, bytes):
        return Picture(field, value)
    if isinstance(value, dict) and len(value) == 1:
        ((kind, named),) = value.items()
        if kind in _REFERENCES and isinstance(named, str):
            return Picture(field, named)
    message = f'`{field}` must be a file of a form, or in JSON {{"image_url": "…"}} or {{"file_id": "file_…"}}.'
    raise InvalidParameter(message, field=field)


async def _at_once(content: bytes) -> AsyncGenerator[bytes, None]:
    yield content


async def _fields(form: FormData) -> Mapping[str, Any]:
    """The parts by name; `image[]` is `image`, and only pictures may come more than once."""
    fields: dict[str, Any] = {}
    for part, value in form.multi_items():
        name = part.removesuffix("[]")
        if isinstance(value, UploadFile):
            if name not in (IMAGE, MASK):
                raise InvalidParameter(f"`{name[:100]}` takes no file.", field=name[:100])
            if isinstance(fields.get(name), str):
                raise InvalidParameter(f"`{name}` is given as text and as a file.", field=name)
            fields.setdefault(name, []).append(await value.read())
        elif name in fields:
            raise InvalidParameter(f"`{name[:100]}` is given more than once.", field=name[:100])
        else:
            fields[name] = value
    return fields
