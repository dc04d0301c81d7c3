"""The documentation's addresses: web pages, plain texts for language models, and the one style sheet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from fluxhouse.catalog.catalog import Catalog
from fluxhouse.catalog.model import Model
from fluxhouse.console.docs import llm_model_text, llm_text, render_index, render_model_page
from fluxhouse.generation.backend import Serving

_SAFE = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def routes(
    catalog: Catalog, serving: Mapping[str, Serving], public_url: str, usd_per_credit: Decimal
) -> list[BaseRoute]:
    """The pages of this installation, each drawn once."""
    pages = Pages(catalog, serving, public_url, usd_per_credit)
    return [
        Route("/docs", pages.index, methods=["GET"]),
        Route("/docs/{model}", pages.model, methods=["GET"]),
        Route("/llm.txt", pages.text, methods=["GET"]),
        Route("/llms.txt", pages.text, methods=["GET"]),
        Route("/llm/{model}.txt", pages.model_text, methods=["GET"]),
        Route("/static/docs.css", pages.style, methods=["GET"]),
    ]


class Pages:
    """Answers with pages drawn from the catalog; an unknown model raises `UnknownModel`."""

    def __init__(
        self, catalog: Catalog, serving: Mapping[str, Serving], public_url: str, usd_per_credit: Decimal
    ) -> None:
        self._catalog = catalog
        self._index = lru_cache(1)(lambda: render_index(catalog, serving, public_url, usd_per_credit))
        self._text = lru_cache(1)(lambda: llm_text(catalog, public_url, serving, usd_per_credit))
        self._model: Callable[[str], str] = lru_cache(len(catalog.models))(
            lambda name: render_model_page(catalog.model(name), serving, public_url, usd_per_credit)
        )
        self._model_text: Callable[[str], str] = lru_cache(len(catalog.models))(
            lambda name: llm_model_text(catalog.model(name), serving, public_url, usd_per_credit)
        )
        self._style = files("fluxhouse.console").joinpath("static", "docs.css").read_bytes()

    async def index(self, _request: Request) -> Response:
        """The list of models."""
        return HTMLResponse(self._index(), headers=_SAFE)

    async def model(self, request: Request) -> Response:
        """One model's page."""
        return HTMLResponse(self._model(self._named(request).id), headers=_SAFE)

    async def text(self, _request: Request) -> Response:
        """The whole API as plain text."""
        return PlainTextResponse(self._text(), headers=_SAFE)

    async def model_text(self, request: Request) -> Response:
        """One model as plain text."""
        return PlainTextResponse(self._model_text(self._named(request).id), headers=_SAFE)

    async def style(self, _request: Request) -> Response:
        """The style sheet of all pages."""
        headers = _SAFE | {"Cache-Control": "public, max-age=3600"}
        return Response(self._style, headers=headers, media_type="text/css")

    def _named(self, request: Request) -> Model:
        return self._catalog.model(request.path_params["model"])
