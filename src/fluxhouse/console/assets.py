"""The console's static files: read once, under addresses that change with their content, kept by browsers for ever."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

_TYPES: Final = {
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
    "woff2": "font/woff2",
    "txt": "text/plain",
    "png": "image/png",
    "webp": "image/webp",
}
SHEET = "css/console.css"


class Assets:
    """Every file by its path; the style sheets are joined, in the order of their names, to one."""

    def __init__(self) -> None:
        found = dict(_walk(files("fluxhouse.console").joinpath("static")))
        sheets = sorted(path for path in found if path.startswith("css/"))
        found[SHEET] = b"".join(found.pop(path) for path in sheets)
        digest = hashlib.sha256()
        for path in sorted(found):
            digest.update(path.encode() + b"\0" + found[path])
        self._files: Mapping[str, bytes] = found
        self.version: Final = digest.hexdigest()[:12]

    def address(self, path: str) -> str:
        """Where the file of that path is; `KeyError` where there is none."""
        if path not in self._files:
            raise KeyError(path)
        return f"/static/{self.version}/{path}"

    async def answer(self, request: Request) -> Response:
        """`GET /static/{version}/{path}`: any version is answered with the present file, for pages drawn before."""
        path = request.path_params["path"]
        content = self._files.get(path)
        if content is None:
            raise HTTPException(404, "Not Found")
        current = request.path_params["version"] == self.version
        headers = {
            "Cache-Control": "public, max-age=31536000, immutable" if current else "no-cache",
            "X-Content-Type-Options": "nosniff",
        }
        return Response(content, headers=headers, media_type=_TYPES[path.rpartition(".")[2]])


def _walk(folder: Traversable, prefix: str = "") -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _walk(entry, f"{prefix}{entry.name}/")
        elif entry.name.rpartition(".")[2] in _TYPES:
            found.append((prefix + entry.name, entry.read_bytes()))
    return found
