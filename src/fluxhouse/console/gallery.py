"""The gallery: every job of the account with its picture, filtered and searched, page by page."""

from __future__ import annotations

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fluxhouse.console.desk import Desk
from fluxhouse.console.gallery_query import STATES, GalleryQuery
from fluxhouse.console.rendering import Renderer, span_text
from fluxhouse.console.thumbnails import CONTENT_TYPE, Thumbnails
from fluxhouse.console.visitors import Visitors
from fluxhouse.core import job_search, jobs, keys
from fluxhouse.core.jobs import Job
from fluxhouse.core.keys import Key
from fluxhouse.generation.errors import UnknownFile, UnknownJob

PAGE = 24
_PREFIX = "job_"


class Gallery:
    """`/gallery` and the thumbnails on it."""

    def __init__(self, desk: Desk, visitors: Visitors, renderer: Renderer) -> None:
        self._desk = desk
        self._visitors = visitors
        self._renderer = renderer
        self._thumbnails = Thumbnails(desk)

    def routes(self) -> list[BaseRoute]:
        """The addresses of these pages."""
        return [
            Route("/gallery", self.overview, methods=["GET"]),
            Route("/gallery/{job}/thumbnail/{index:int}", self.thumbnail, methods=["GET"]),
        ]

    async def overview(self, request: Request) -> Response:
        """One page of jobs, newest first."""
        session, now = await self._visitors.require(request), self._desk.clock.now()
        query = GalleryQuery.of(request.query_params)
        search = query.search()

        def read(connection: Connection) -> tuple[list[Job], list[Key]]:
            account_id = session.person.account_id
            found = job_search.found(connection, account_id, search, PAGE + 1)
            return found, keys.of_account(connection, account_id)

        found, mine = await self._desk.database.read(read)
        shown = found[:PAGE]
        return await self._renderer.page(
            request,
            "gallery.html",
            jobs=shown,
            older=query.older_than(shown[-1]) if len(found) > PAGE else None,
            query=query,
            states=STATES,
            models=[model.id for model in self._desk.catalog.models],
            keys={key.id: key.name for key in mine},
            is_gone={job.id: job.is_gone(now) for job in shown},
            ends={job.id: span_text(job.expires_at - now) for job in shown},
        )

    async def thumbnail(self, request: Request) -> Response:
        """A small copy of one picture, for its owner."""
        session, now = await self._visitors.require(request), self._desk.clock.now()
        job_id, index = job_id_of(request), request.path_params["index"]
        job = await self._desk.database.read(
            lambda connection: jobs.owned(connection, job_id, session.person.account_id)
        )
        image = next((image for image in job.images if image.index == index), None)
        if image is None:
            raise UnknownFile
        seconds = max(0, int((job.expires_at - now).total_seconds()))
        headers = {"Cache-Control": f"private, max-age={seconds}, immutable", "X-Content-Type-Options": "nosniff"}
        return Response(await self._thumbnails.of(job, image), headers=headers, media_type=CONTENT_TYPE)


def job_id_of(request: Request) -> str:
    """The job in a path, as the API spells it or bare; raises `UnknownJob`."""
    job_id = str(request.path_params["job"]).removeprefix(_PREFIX)
    if len(job_id) != 32 or not job_id.isalnum() or not job_id.isascii():
        raise UnknownJob
    return job_id
