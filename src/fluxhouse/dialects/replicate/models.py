"""Models and their versions as Replicate lists them, with the schema of their input made from the catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from fluxhouse.catalog.parameter import Parameter
from fluxhouse.core.keys import Scope
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.replicate.addresses import Addresses
from fluxhouse.dialects.replicate.creating import token_in
from fluxhouse.dialects.replicate.hosted import Hosted, HostedModels
from fluxhouse.dialects.wire import read_body
from fluxhouse.generation.errors import NotFound

Body = dict[str, Any]

_SINCE = "2024-08-01T00:00:00.000000Z"  # FLUX.1's first day: the catalog keeps no dates
_COG = "0.16.8"  # clients read the schemas of packagers older than 0.3.9 in another way
_MOST_QUERY = 4 * 1024  # bytes


class Models:
    """`GET` and `QUERY /v1/models`, `GET .../models/{owner}/{name}` and what is below it."""

    def __init__(self, door: Door, hosted: HostedModels) -> None:
        self._door = door
        self._hosted = hosted
        self._addresses = Addresses(door)

    def part(self, _request: Request) -> Mapping[str, Any]:
        """This dialect's part of the list of models, which OpenAI's clients ask for too."""
        return _page([self._model(hosted) for hosted in self._hosted.all])

    async def search(self, request: Request) -> Response:
        """The models whose name, description or tags have every word of the body."""
        await self._door.authenticate(token_in(request), Scope.READ)
        # JavaScript's client sends the text as JSON, in quotation marks.
        words = (await read_body(request, _MOST_QUERY)).decode(errors="replace").strip('" \r\n').lower().split()
        found = [hosted for hosted in self._hosted.all if all(word in _text(hosted) for word in words)]
        return JSONResponse(_page([self._model(hosted) for hosted in found]))

    async def get(self, request: Request) -> Response:
        """One model; raises `NotFound`."""
        return JSONResponse(self._model(await self._asked(request)))

    async def versions(self, request: Request) -> Response:
        """The one version that a model has here."""
        return JSONResponse(_page([self._version(await self._asked(request))]))

    async def version(self, request: Request) -> Response:
        """A version by its hash; raises `NotFound`."""
        hosted = await self._asked(request)
        if request.path_params["version"] != hosted.version:
            raise NotFound
        return JSONResponse(self._version(hosted))

    async def readme(self, request: Request) -> Response:
        """What the catalog says about a model, as Markdown."""
        model = (await self._asked(request)).model
        return PlainTextResponse(f"# {model.name}\n\n{model.description}\n", media_type="text/markdown")

    async def examples(self, request: Request) -> Response:
        """None are kept."""
        await self._asked(request)
        return JSONResponse(_page([]))

    async def _asked(self, request: Request) -> Hosted:
        await self._door.authenticate(token_in(request), Scope.READ)
        return self._hosted.named(request.path_params["owner"], request.path_params["name"])

    def _model(self, hosted: Hosted) -> Body:
        model = hosted.model
        return {
            "url": self._addresses.at(f"/docs/{model.id}"),
            "owner": hosted.owner,
            "name": hosted.name,
            "description": model.description,
            "visibility": "public",
            "is_official": True,
            "github_url": None,
            "paper_url": None,
            "license_url": model.licence.url,
            "run_count": 0,
            "cover_image_url": None,
            "default_example": None,
            "latest_version": self._version(hosted),
        }

    def _version(self, hosted: Hosted) -> Body:
        return {"id": hosted.version, "created_at": _SINCE, "cog_version": _COG, "openapi_schema": openapi(hosted)}


def openapi(hosted: Hosted) -> Body:
    """The OpenAPI document of a version as Replicate's packager writes it: `components.schemas.Input` and `Output`."""
    url = {"type": "string", "format": "uri"}
    output = url if hosted.hosting.single else {"type": "array", "items": url}
    return {
        "openapi": "3.0.2",
        "info": {"title": hosted.full_name, "version": hosted.version},
        "paths": {},
        "components": {
            "schemas": {
                "Input": {
                    "type": "object",
                    "title": "Input",
                    "required": [parameter.name for parameter in hosted.parameters if parameter.required],
                    "properties": {
                        parameter.name: _property(parameter, place) for place, parameter in enumerate(hosted.parameters)
                    },
                },
                "Output": {"title": "Output", **output},
            }
        },
    }


def _property(parameter: Parameter, place: int) -> Body:
    """A field as OpenAPI 3.0 says it, which has no null among its types."""
    schema = dict(parameter.schema()) if parameter.supported else {"description": parameter.schema()["description"]}
    schema |= {"title": parameter.name, "type": parameter.type, "x-order": place}
    if parameter.enum is not None:
        schema["enum"] = list(parameter.enum)
    if parameter.type == "array" and "items" not in schema:
        schema["items"] = {"type": parameter.item_type or "string"}
    if not parameter.required:
        schema["nullable"] = True
    if parameter.default is not None:
        schema["default"] = parameter.default
    if parameter.name in ("image", "input_image", "mask", "image_prompt"):
        schema = {name: value for name, value in schema.items() if name not in ("pattern", "maxLength")}
        schema["format"] = "uri"
    return schema


def _page(results: Sequence[Any]) -> Body:
    return {"previous": None, "next": None, "results": list(results)}


def _text(hosted: Hosted) -> str:
    model = hosted.model
    return " ".join((hosted.full_name, model.name, model.description, *model.tags)).lower()
