"""The models as OpenAI's clients see them: those served here, one of them, and who stands in for OpenAI's own names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fluxhouse.catalog.catalog import Catalog
from fluxhouse.catalog.model import Model
from fluxhouse.core.keys import Scope
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.wire import key_in
from fluxhouse.generation.backend import Serving
from fluxhouse.generation.errors import UnknownModel
from fluxhouse.generation.request import Task

# OpenAI's own models, named by clients of which only host and key were changed, and who stands in for them: of each
# task's models the first that is served here.
GPT_IMAGE = ("gpt-image-", "chatgpt-image-")
_FOREIGN = (*GPT_IMAGE, "dall-e-")
_STAND_INS: Mapping[Task, Sequence[str]] = {
    Task.GENERATE: ("flux-dev", "flux-krea-dev", "flux-schnell", "flux-1.1-pro", "flux-pro"),
    Task.EDIT: ("flux-kontext-dev", "flux-kontext-pro", "flux-kontext-max", "flux-dev"),
    Task.FILL: ("flux-fill-dev",),
}
_RELEASED = 1722470400  # FLUX.1's first day, 2024-08-01: the catalog keeps no dates


def asked(catalog: Catalog, serving: Mapping[str, Serving], named: object, task: Task) -> Model:
    """The model that a request means by its `model`, or by having none; raises `UnknownModel`."""
    if named is not None and not str(named).startswith(_FOREIGN):
        return catalog.model(str(named))
    candidates = [catalog.model(candidate) for candidate in _STAND_INS[task]]
    return next((model for model in candidates if model.served_by(serving)), candidates[0])


def listed(door: Door, _request: Request) -> Mapping[str, Any]:
    """OpenAI's part of the list of models."""
    return {"object": "list", "data": [body for model in door.catalog.models if (body := _body(door, model))]}


class Models:
    """`GET /v1/models/{model}`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def get(self, request: Request) -> Response:
        """One model that is served here; raises `UnknownModel`."""
        await self._door.authenticate(key_in(request, "bearer"), Scope.READ)
        body = _body(self._door, self._door.catalog.model(request.path_params["model"]))
        if body is None:
            raise UnknownModel(field="model")
        return JSONResponse(body)


def _body(door: Door, model: Model) -> Mapping[str, Any] | None:
    """A model's facts, None where it is not served; its owner is who really makes the pictures."""
    serving = model.served_by(door.options.serving)
    if serving is None or not model.available:
        return None
    return {"id": model.id, "object": "model", "created": _RELEASED, "owned_by": serving.backend}
