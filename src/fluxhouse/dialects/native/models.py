"""The catalog for programs: the list, one model, its request schema, the OpenAPI document; no key needed."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fluxhouse.catalog.model import Model
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.native.openapi import openapi
from fluxhouse.generation.backend import Serving
from fluxhouse.generation.credits import to_number
from fluxhouse.generation.errors import InvalidParameter
from fluxhouse.generation.moderation import Moderation

_MODALITIES = ("image", "video")


class Models:
    """`GET /api/v1/models`, `/api/v1/models/{model}`, `.../schema`, `/api/openapi`."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._document: tuple[dict[str, Serving], dict[str, Any]] | None = None  # and what was served when it was made

    async def list(self, request: Request) -> Response:
        """Every model, or those of one modality."""
        modality = request.query_params.get("modality")
        if modality not in (None, *_MODALITIES):
            raise InvalidParameter("`modality` must be one of image, video", field="modality")
        if request.query_params.get("detailed", "false").lower() not in ("true", "false", "1", "0"):
            raise InvalidParameter("`detailed` must be true or false", field="detailed")
        models = self._door.catalog.models
        shown = [self._summary(model) for model in models if modality in (None, model.modality)]
        counts = {f"{kind}Count": sum(entry["modality"] == kind for entry in shown) for kind in _MODALITIES}
        return JSONResponse({"models": shown, "total": len(shown), **counts})

    async def get(self, request: Request) -> Response:
        """One model with everything that can be asked of it."""
        model = self._door.catalog.model(request.path_params["model"])
        ratios = model.aspect_ratios.items()
        return JSONResponse(
            {
                **self._summary(model),
                "requestSchema": model.schema(),
                "aspectRatios": [{"ratio": ratio, "width": size[0], "height": size[1]} for ratio, size in ratios],
                "licence": _licence(model),
                "related": list(model.related),
            }
        )

    async def schema(self, request: Request) -> Response:
        """The JSON Schema of a model's request body."""
        model = self._door.catalog.model(request.path_params["model"])
        return JSONResponse({"apiId": model.id, "schema": model.schema()})

    async def openapi(self, _request: Request) -> Response:
        """The OpenAPI 3.1 document of this installation."""
        options = self._door.options
        served = dict(options.serving)
        if self._document is None or self._document[0] != served:
            self._document = served, openapi(self._door.catalog, options.public_url, options.serving)
        return JSONResponse(self._document[1])

    def _summary(self, model: Model) -> dict[str, Any]:
        price = to_number(model.price_micro)
        serving = model.served_by(self._door.options.serving)
        return {
            "apiId": model.id,
            "name": model.name,
            "description": model.description,
            "modality": model.modality,
            "creditCost": {"default": price, "type": "fixed", "amount": price},
            "tags": (Moderation.NONE if serving is None else serving.moderation).tags(model.tags),
            "available": serving is not None and model.available,
            **({} if serving is None else {"servedBy": serving.backend, "moderation": serving.moderation}),
        }


def _licence(model: Model) -> dict[str, Any]:
    licence = model.licence
    known = {
        "name": licence.name,
        "url": licence.url,
        "checkpoint": licence.checkpoint,
        "gated": licence.gated,
        "commercialUse": licence.commercial_use,
    }
    return {name: value for name, value in known.items() if value is not None}
