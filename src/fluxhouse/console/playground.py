"""The playground: a form made from a model's parameters, whose jobs the page itself submits and follows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from fluxhouse.catalog.model import Model
from fluxhouse.console.controls import form_of
from fluxhouse.console.desk import Desk
from fluxhouse.console.docs import Shape, example_body
from fluxhouse.console.rendering import Renderer
from fluxhouse.console.rerun import playground_address
from fluxhouse.console.samples import Asked, samples
from fluxhouse.console.visitors import Visitors
from fluxhouse.core import job_search
from fluxhouse.core.job_search import Search
from fluxhouse.core.jobs import Job, JobState
from fluxhouse.core.sessions import Session
from fluxhouse.generation.errors import InvalidParameter
from fluxhouse.generation.image import DeliveredImage

_FIRST = "flux-dev"
_MOST_RESULTS = 12
_LAST_RESULTS = Search(states=(JobState.SUCCEEDED,))


@dataclass(frozen=True, slots=True)
class Result:
    """A job that has succeeded, the first of its images, and where the playground opens with what made it."""

    job: Job
    image: DeliveredImage
    address: str


class Playground:
    """`/playground` and a page for each model; for people who are signed in."""

    def __init__(self, desk: Desk, visitors: Visitors, renderer: Renderer) -> None:
        self._desk = desk
        self._visitors = visitors
        self._renderer = renderer

    def routes(self) -> list[BaseRoute]:
        """The addresses of these pages."""
        return [
            Route("/playground", self.choose, methods=["GET"]),
            Route("/playground/{model}", self.page, methods=["GET"]),
            Route("/playground/{model}/code", self.code, methods=["POST"]),
        ]

    async def choose(self, request: Request) -> Response:
        """To the page of the model that was chosen, else of the first that is served."""
        wanted = request.query_params.get("model")
        if wanted is None:
            served = [model.id for model in self._desk.catalog.models if self._is_served(model)]
            wanted = _FIRST if _FIRST in served or not served else served[0]
        return RedirectResponse(f"/playground/{quote(self._desk.catalog.model(wanted).id)}", 303)

    async def page(self, request: Request) -> Response:
        """The form of one model, and the account's last results with any."""
        session = await self._visitors.require(request)
        desk, model = self._desk, self._named(request)
        served = [entry for entry in desk.catalog.models if self._is_served(entry)]
        return await self._renderer.page(
            request,
            "playground.html",
            script="playground",
            model=model,
            models=served if model in served else [model, *served],
            is_served=self._is_served(model),
            form=form_of(model, desk.serving),
            shapes=[Shape(ratio, *size) for ratio, size in model.aspect_ratios.items()],
            takes_custom_size=model.parameter("width") is not None,
            ratio_default=_ratio_default(model),
            prompt_example=example_body(model)["prompt"],
            results=await self._results(session),
        )

    async def code(self, request: Request) -> Response:
        """The programs that make the request in the body; raises `InvalidParameter` where it is none."""
        await self._visitors.require_form(request)
        model = self._named(request)
        body = _read(await request.body())
        desk = self._desk
        desk.catalog.parse(model.id, body)
        found = samples(Asked(model, body, desk.public_url, desk.names_of(model.id)))
        return JSONResponse({"samples": [asdict(sample) for sample in found]})

    async def _results(self, session: Session) -> list[Result]:
        """The newest whose images are still there."""
        account_id, now = session.person.account_id, self._desk.clock.now()
        found = await self._desk.database.read(
            lambda connection: job_search.found(connection, account_id, _LAST_RESULTS, _MOST_RESULTS)
        )
        return [
            Result(job, job.shown[0], address)
            for job in found
            if job.shown and not job.is_gone(now) and (address := playground_address(self._desk.catalog, job))
        ]

    def _is_served(self, model: Model) -> bool:
        return model.available and model.served_by(self._desk.serving) is not None

    def _named(self, request: Request) -> Model:
        return self._desk.catalog.model(request.path_params["model"])


def _ratio_default(model: Model) -> str:
    ratio = model.parameter("aspect_ratio")
    return "" if ratio is None else str(ratio.default)


def _read(content: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise InvalidParameter("the body must be a JSON object")
    return body
