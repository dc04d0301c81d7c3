"""The addresses that this dialect gives out, and which of them clients send back as an input."""

from __future__ import annotations

import re

from fluxhouse.core.jobs import Job
from fluxhouse.dialects.answering import address
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.intake import FILE_PREFIX
from fluxhouse.dialects.replicate.spelling import ID_PATTERN, own_id, spelled

_FILE = re.compile(rf"/v1/files/({ID_PATTERN})(?:/download)?")
# What a client says who does not know what its file is; the bytes are looked at in any case.
_UNTYPED = re.compile(r"data:(?:application/octet-stream)?;base64,")


class Addresses:
    """Every address under the installation's public URL."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._root = address(door, "")

    def at(self, path: str) -> str:
        """The address of a path that begins with a slash."""
        return address(self._door, path)

    def prediction(self, job: Job) -> dict[str, str]:
        """Where a prediction is asked for, cancelled, looked at and followed.

        The last one needs no key, since JavaScript's client sends none: its signature opens it. Its path begins as
        those of files do, by which that client knows that outputs are files.
        """
        own = self.at(f"/v1/predictions/{spelled(job.id)}")
        return {
            "get": own,
            "cancel": f"{own}/cancel",
            "web": self.at(f"/predictions/{spelled(job.id)}"),
            "stream": self._door.signer.sign(stream_key(job.id), job.expires_at),
        }

    def file(self, file_id: str) -> str:
        """Where an uploaded file's facts are, which is also how clients name it as an input."""
        return self.at(f"/v1/files/{spelled(file_id)}")

    def picture(self, value: str) -> str:
        """What names an input picture, as the intake knows it: an uploaded file by its id."""
        path = value.removeprefix(self._root).partition("?")[0]
        match = _FILE.fullmatch(path) if value.startswith(self._root) else re.fullmatch(f"({ID_PATTERN})", value)
        file_id = own_id(match[1]) if match else None
        if file_id is not None:
            return f"{FILE_PREFIX}{file_id}"
        return _UNTYPED.sub("data:image/png;base64,", value, count=1) if value.startswith("data:") else value


def stream_key(job_id: str) -> str:
    """What a stream's signature is for, and the path below the public URL."""
    return f"v1/files/{spelled(job_id)}/stream"
