"""Finished pictures by signed, expiring address: `GET /outputs/{job}/{file}`, whole or a part."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fluxhouse.core import jobs
from fluxhouse.dialects.dialect import Door
from fluxhouse.generation.errors import Gone, UnknownFile
from fluxhouse.generation.request import OutputFormat
from fluxhouse.storage.ranges import etag_of, selected

# Whatever a file holds, a browser shows it as a picture of this type or not at all.
_SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


def routes(door: Door) -> list[BaseRoute]:
    """The one route, for every dialect; the signature alone opens it."""
    return [Route("/outputs/{job}/{file}", Outputs(door).get, methods=["GET"])]


class Outputs:
    """Reads pictures for whoever holds an address that the platform gave out."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def get(self, request: Request) -> Response:
        """The picture; raises `UnknownFile` for a signature or job never made, `Gone` once expired or deleted."""
        job, file = request.path_params["job"], request.path_params["file"]
        key = f"outputs/{job}/{file}"
        query = request.query_params
        expires, now = query.get("expires", ""), self._door.clock.now()
        self._door.signer.check(key, expires, query.get("signature", ""), now)
        format = OutputFormat.of_file(file)
        if format is None:
            raise UnknownFile
        content = await self._content(job, key)
        etag = etag_of(key, len(content))
        span = selected(
            len(content),
            etag,
            range_header=request.headers.get("range"),
            if_none_match=request.headers.get("if-none-match"),
            if_range=request.headers.get("if-range"),
        )
        headers = span.headers(len(content), etag) | _SAFE
        headers["Cache-Control"] = f"private, immutable, max-age={max(0, int(expires) - int(now.timestamp()))}"
        headers["Content-Disposition"] = f'inline; filename="{job}-{file}"'
        return Response(content[span.start : span.stop], span.status, headers, format.content_type)

    async def _content(self, job_id: str, key: str) -> bytes:
        """The bytes; an address we signed whose file is no more was deleted before its time.

        The job's row is asked first: a store may go on giving out what it was told to delete.
        """
        job = await self._door.database.read(lambda connection: jobs.find(connection, job_id))
        if job is None:
            raise UnknownFile
        if job.output_removed_at is not None:
            raise Gone
        try:
            return await self._door.storage.get(key)
        except UnknownFile:
            raise Gone from None
