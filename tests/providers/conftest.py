"""Vendors on this machine: small applications that keep to the four contracts, and forget, refuse or fail on demand."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from fluxhouse.generation.errand import Errand, ErrandState
from fluxhouse.generation.errors import InputImageRefused
from fluxhouse.generation.image import MadeImage
from fluxhouse.generation.request import GenerationRequest
from fluxhouse.providers.bfl import Bfl
from fluxhouse.providers.breaker import Breaker
from fluxhouse.providers.fal import Fal
from fluxhouse.providers.openai import OpenAI
from fluxhouse.providers.provider import Provider, ProviderOptions
from fluxhouse.providers.replicate import Replicate


def picture(width: int = 64, height: int = 64, format: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), (200, 80, 20)).save(file, format)
    return file.getvalue()


@dataclass
class Vendors:
    """What all four vendors of one test know and do.

    `refusals` answer the next submits, `lose` takes them in without an answer; a task is ready at its `looks`-th look,
    or ends as `ending` says, in the vendor's own words. `image` is what every task makes. A submit is answered
    after `thinks` seconds. A language model says what is in `said`, one after the other. `moved` is where the picture
    is said to lie, the first `moves` times.
    """

    url: str
    submits: list[tuple[str, Mapping[str, str], Any]] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    looked: dict[str, int] = field(default_factory=dict)
    refusals: list[Response] = field(default_factory=list)
    ending: Response | None = None
    looks: int = 2
    lose: int = 0
    thinks: float = 0.0
    away: int = 0
    moved: str | None = None
    moves: int = 0
    image: bytes = field(default_factory=picture)
    told: dict[str, Any] = field(default_factory=dict)
    said: list[Any] = field(default_factory=list)

    def provider(self, name: str, breaker: Breaker | None = None, **options: Any) -> Provider:
        make, path = {
            "replicate": (Replicate, ""),
            "fal": (Fal, "/queue"),
            "bfl": (Bfl, "/bfl"),
            "openai": (OpenAI, "/openai"),
        }[name]
        vendor = make("secret", no_other_host, self.url + path)
        quick = {"look_seconds": 0.01, "longest_look_seconds": 0.02, "patience_seconds": 5.0}
        return Provider(vendor, dict(vendor.models), ProviderOptions(**quick | options), breaker)

    @property
    def bodies(self) -> list[Any]:
        return [body for _, _, body in self.submits]

    async def taken(self, request: Request) -> str | Response:
        """The id of a new task, or the answer to who is not let in."""
        content = await request.body()
        is_form = request.headers["content-type"].startswith("multipart")
        self.submits.append((request.url.path, dict(request.headers), content if is_form else json.loads(content)))
        refusal = self.refusals.pop(0) if self.refusals else None
        await asyncio.sleep(self.thinks)
        if refusal is not None:
            return refusal
        if self.lose:
            self.lose -= 1
            return PlainTextResponse("bad gateway", 502)
        return f"task{len(self.submits)}"

    def look(self, task: str) -> Response | bool:
        """Whether a task is ready."""
        if self.away:
            self.away -= 1
            return PlainTextResponse("bad gateway", 502)
        self.looked[task] = self.looked.get(task, 0) + 1
        if self.looked[task] < self.looks:
            return False
        return self.ending or True

    @property
    def place(self) -> str:
        if self.moved is not None and self.moves > 0:
            self.moves -= 1
            return self.moved
        return f"{self.url}/pictures/1.png"


async def no_other_host(url: str, max_bytes: int, seconds: float) -> bytes:
    raise InputImageRefused(f"{url} answered with status 403 instead of 200.")


class Contracts:
    """The routes of the four vendors; `now` is the test's."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.now = Vendors(url)

    def app(self) -> Starlette:
        queue = "/queue/{owner}/{app}/requests/{id}"
        return Starlette(
            routes=[
                Route("/pictures/1.png", self.picture),
                Route("/pictures/secret.png", lambda _: PlainTextResponse("forbidden", 403)),
                Route("/v1/models/{owner}/{name}/predictions", self.predict, methods=["POST"]),
                Route("/v1/predictions", self.predict, methods=["POST"]),
                Route("/v1/predictions/{id}", self.prediction),
                Route("/v1/predictions/{id}/cancel", self.cancel, methods=["POST"]),
                Route(f"{queue}/status", self.queue_status),
                Route(queue, self.queue_result),
                Route(f"{queue}/cancel", self.cancel, methods=["PUT"]),
                Route("/queue/{path:path}", self.enqueue, methods=["POST"]),
                Route("/bfl/v1/get_result", self.bfl_result),
                Route("/bfl/v1/{model}", self.bfl_submit, methods=["POST"]),
                Route("/openai/images/{kind}", self.draw, methods=["POST"]),
                Route("/openai/chat/completions", self.say, methods=["POST"]),
            ]
        )

    async def picture(self, request: Request) -> Response:
        assert "authorization" in request.headers or "x-key" in request.headers
        return Response(self.now.image, media_type="image/png")

    async def predict(self, request: Request) -> Response:
        task = await self.now.taken(request)
        return task if isinstance(task, Response) else JSONResponse({"id": task, "status": "starting"}, 201)

    async def prediction(self, request: Request) -> Response:
        found = self.now.look(request.path_params["id"])
        if isinstance(found, Response):
            return found
        done = {"status": "succeeded", "output": [self.now.place]}
        return JSONResponse(done if found else {"status": "processing"})

    async def cancel(self, request: Request) -> Response:
        self.now.cancelled.append(request.path_params["id"])
        return JSONResponse({"status": "canceled"})

    async def enqueue(self, request: Request) -> Response:
        task = await self.now.taken(request)
        return task if isinstance(task, Response) else JSONResponse({"request_id": task, "status": "IN_QUEUE"})

    async def queue_status(self, request: Request) -> Response:
        found = self.now.look(request.path_params["id"])
        ended = found is True or (isinstance(found, Response) and found is self.now.ending)
        if isinstance(found, Response) and not ended:
            return found
        return JSONResponse({"status": "COMPLETED" if ended else "IN_PROGRESS"}, 200 if ended else 202)

    async def queue_result(self, request: Request) -> Response:
        if self.now.ending is not None:
            return self.now.ending
        return JSONResponse({"images": [{"url": self.now.place}], "has_nsfw_concepts": [True]})

    async def bfl_submit(self, request: Request) -> Response:
        task = await self.now.taken(request)
        if isinstance(task, Response):
            return task
        address = {"polling_url": f"{self.url}/bfl/v1/get_result?id={task}"}
        return JSONResponse({"id": task, **address, "cost": 3.5} | self.now.told)

    async def bfl_result(self, request: Request) -> Response:
        found = self.now.look(request.query_params["id"])
        if isinstance(found, Response):
            return found
        done = {"status": "Ready", "result": {"sample": self.now.place}}
        return JSONResponse(done if found else {"status": "Pending", "result": None})

    async def draw(self, request: Request) -> Response:
        task = await self.now.taken(request)
        if isinstance(task, Response):
            return task
        return JSONResponse({"created": 1, "data": [{"b64_json": base64.b64encode(self.now.image).decode()}]})

    async def say(self, request: Request) -> Response:
        task = await self.now.taken(request)
        if isinstance(task, Response):
            return task
        message = {"role": "assistant", "content": self.now.said.pop(0)}
        said = json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
        return Response(said, media_type="application/json")  # Half a character goes through as ASCII alone.


class Record:
    """Errands of one job as a database would keep them."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, int], list[Any]] = {}
        self.costs: list[int] = []

    async def begin(self, provider: str, index: int) -> Errand:
        row = self.rows.get((provider, index))
        if row is None or row[0] is ErrandState.REFUSED:
            self.rows[provider, index] = [ErrandState.SENDING, {}]
            return Errand(provider, index, f"key-{index}", ErrandState.SENDING, fresh=True)
        return Errand(provider, index, f"key-{index}", *row)

    async def accepted(self, errand: Errand, receipt: Mapping[str, str]) -> None:
        self.rows[errand.provider, errand.index] = [ErrandState.ACCEPTED, receipt]

    async def ended(self, errand: Errand, state: ErrandState, cost_micro_usd: int = 0) -> None:
        row = self.rows[errand.provider, errand.index]
        if row[0] in (ErrandState.SENDING, ErrandState.ACCEPTED):
            row[0] = state
            self.costs.append(cost_micro_usd)

    @property
    def states(self) -> list[str]:
        return [row[0].value for _, row in sorted(self.rows.items())]


@pytest.fixture(scope="module")
def contracts() -> Iterator[Contracts]:
    """The four contracts behind one real port."""
    listener = socket.create_server(("127.0.0.1", 0))
    known = Contracts(f"http://127.0.0.1:{listener.getsockname()[1]}")
    http = uvicorn.Server(uvicorn.Config(known.app(), log_level="critical", ws="none", lifespan="off"))
    thread = threading.Thread(target=lambda: asyncio.run(http.serve([listener])))
    thread.start()
    yield known
    http.should_exit = True
    thread.join(10)


@pytest.fixture
def vendors(contracts: Contracts) -> Vendors:
    contracts.now = Vendors(contracts.url)
    return contracts.now


@pytest.fixture
def record() -> Record:
    return Record()


Run = Callable[..., Any]


@pytest.fixture
async def run(record: Record) -> AsyncIterator[Run]:
    """Has a provider make a request, its errands kept in `record`; the images that came."""
    used: list[Provider] = []

    async def made(provider: Provider, *paths: Any, **changes: Any) -> list[MadeImage]:
        used.append(provider)
        plain = {"model": "flux-dev", "prompt": "a fox", "width": 64, "height": 64, "seed": 7}
        request = GenerationRequest(**plain | changes)
        events = [event async for event in provider.keeping(record).generate(request, paths)]
        return sorted((event for event in events if isinstance(event, MadeImage)), key=lambda image: image.index)

    yield made
    for provider in used:
        await provider.aclose()


@pytest.fixture
def another(run: Run, record: Record) -> Run:
    """`run` for another job, of which nothing is kept yet."""

    def anew(*arguments: Any, **options: Any) -> Any:
        record.rows.clear()
        return run(*arguments, **options)

    return anew


@pytest.fixture
def drawn() -> Callable[..., bytes]:
    """The bytes of a picture, by width, height and format."""
    return picture
