"""The models' addresses: a list, a page for each, the same as Markdown and plain text, and the examples' pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from fluxhouse.catalog.model import Model
from fluxhouse.console.desk import Desk
from fluxhouse.console.docs import facts, llm_model_text, llm_text, overview
from fluxhouse.console.examples import Example, example_file, examples_of
from fluxhouse.console.rendering import Renderer
from fluxhouse.console.samples import Asked, samples
from fluxhouse.core import timings
from fluxhouse.generation.request import Task

_SAFE = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"}
_KINDS = {
    "edit": "Editing by instruction",
    "fill": "Fill",
    "vary": "Image to image",
    "lora": "LoRA",
}


class Pages:
    """Answers with pages drawn from the catalog; an unknown model raises `UnknownModel`."""

    def __init__(self, desk: Desk, renderer: Renderer) -> None:
        self._desk = desk
        self._renderer = renderer

    def routes(self) -> list[BaseRoute]:
        """The addresses of these pages; those below `/docs` are older names of the same."""
        return [
            Route("/models", self.index, methods=["GET"]),
            Route("/docs", self.index, methods=["GET"]),
            Route("/models/{model}.md", self.markdown, methods=["GET"]),
            Route("/models/{model}", self.model, methods=["GET"]),
            Route("/docs/{model}", self.model, methods=["GET"]),
            Route("/docs/{model}/examples/{file}", self.example, methods=["GET"]),
            Route("/llm.txt", self.text, methods=["GET"]),
            Route("/llms.txt", self.text, methods=["GET"]),
            Route("/llm/{model}.txt", self.model_text, methods=["GET"]),
        ]

    async def index(self, request: Request) -> Response:
        """The models, or those that a search and a kind leave."""
        desk, wanted, kind = self._desk, request.query_params.get("q", ""), request.query_params.get("kind", "")
        shown = overview(desk.catalog, desk.serving, desk.usd_per_credit)
        words = wanted.lower().split()
        entries = [
            {**entry, "example": next(iter(await examples_of(desk.storage, entry["model"].id)), None)}
            for entry in shown["entries"]
            if all(word in _searched(entry["model"]) for word in words)
            and (kind not in _KINDS or kind in _kinds(entry["model"]))
        ]
        return await self._renderer.page(request, "models.html", entries=entries, q=wanted, kind=kind, kinds=_KINDS)

    async def model(self, request: Request) -> Response:
        """One model's page."""
        desk, model = self._desk, self._named(request)
        shown = facts(model, desk.serving, desk.public_url, desk.usd_per_credit)
        made = [
            self._shown(model, example, number)
            for number, example in enumerate(await examples_of(desk.storage, model.id))
        ]
        code = samples(Asked(model, shown["body"], desk.public_url, desk.names_of(model.id)))
        related = [desk.catalog.model(name) for name in model.related]
        seconds = (await desk.database.read(timings.image_seconds)).get(model.id)
        page = await self._renderer.page(
            request, "model.html", samples=code, examples=made, related=related, seconds=seconds, **shown
        )
        page.headers["Link"] = f'<{desk.public_url}/models/{model.id}.md>; rel="alternate"; type="text/markdown"'
        return page

    async def markdown(self, request: Request) -> Response:
        """One model's page as Markdown."""
        return PlainTextResponse(self._text_of(self._named(request)), headers=_SAFE, media_type="text/markdown")

    async def text(self, _request: Request) -> Response:
        """The whole API as plain text."""
        desk = self._desk
        text = llm_text(desk.catalog, desk.public_url, desk.serving, desk.usd_per_credit)
        return PlainTextResponse(text, headers=_SAFE)

    async def model_text(self, request: Request) -> Response:
        """One model as plain text."""
        return PlainTextResponse(self._text_of(self._named(request)), headers=_SAFE)

    async def example(self, request: Request) -> Response:
        """A picture of an example; raises `UnknownFile`."""
        model = self._named(request)
        content, content_type = await example_file(self._desk.storage, model.id, request.path_params["file"])
        headers = _SAFE | {"Cache-Control": "public, max-age=3600"}
        return Response(content, headers=headers, media_type=content_type)

    def _shown(self, model: Model, example: Example, number: int) -> dict[str, Any]:
        """An example with the program that makes it again, and the way to the playground with its request."""
        inputs = {name: self._address(model, file) for name, file in example.inputs.items()}
        body = {**example.request, **{name: self._desk.public_url + path for name, path in inputs.items()}}
        code = samples(Asked(model, body, self._desk.public_url, {}))[0].code
        return {
            "example": example,
            "number": number,
            "src": self._address(model, example.file),
            "inputs": inputs,
            "code": code,
            "play": f"/playground/{model.id}#{urlencode(example.request, quote_via=quote)}",
        }

    def _address(self, model: Model, file: str) -> str:
        return f"/docs/{model.id}/examples/{file}"

    def _text_of(self, model: Model) -> str:
        desk = self._desk
        return llm_model_text(model, desk.serving, desk.public_url, desk.usd_per_credit)

    def _named(self, request: Request) -> Model:
        return self._desk.catalog.model(request.path_params["model"])


def _searched(model: Model) -> str:
    return f"{model.id} {model.name} {model.description} {' '.join(model.tags)}".lower()


def _kinds(model: Model) -> Sequence[str]:
    takes_pictures = model.input_task is not Task.VARY or model.parameter("input_image") is not None
    return [*([str(model.input_task)] if takes_pictures else []), *(["lora"] if "LoRA" in model.tags else [])]
