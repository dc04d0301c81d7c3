"""Which bytes of a stored file a GET asks for: single ranges and preconditions of RFC 9110, in linear time."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

# Longer headers are not read: no client of ours needs them, and reading them must cost nothing.
_LONGEST_RANGE = 64  # characters
_LONGEST_CONDITION = 2048
_SINGLE_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Span:
    """What to answer: the status, and the half-open byte span [start, stop) of the file that is the body.

    Statuses: 200 the whole file, 206 a part, 304 the caller has it already, 416 no such part (both without a body).
    """

    status: int
    start: int
    stop: int

    def headers(self, size: int, etag: str) -> dict[str, str]:
        """The answer's headers about the span, for a file of `size` bytes."""
        headers = {"etag": etag, "accept-ranges": "bytes"}
        if self.status == 304:
            return headers
        headers["content-length"] = str(self.stop - self.start)
        if self.status == 206:
            headers["content-range"] = f"bytes {self.start}-{self.stop - 1}/{size}"
        if self.status == 416:
            headers["content-range"] = f"bytes */{size}"
        return headers


def etag_of(key: str, size: int) -> str:
    """A strong entity tag; the bytes under a key never change, so key and size identify them."""
    return f'"{hashlib.sha256(f"{size}:{key}".encode()).hexdigest()[:32]}"'


def selected(
    size: int,
    etag: str,
    *,
    range_header: str | None = None,
    if_none_match: str | None = None,
    if_range: str | None = None,
) -> Span:
    """The part of a file of `size` bytes with tag `etag` that a GET with these headers is answered with."""
    if if_none_match is not None and _matches(if_none_match, etag):
        return Span(304, 0, 0)
    # A date in If-Range never matches: no Last-Modified is sent.
    if range_header is None or (if_range is not None and if_range.strip() != etag):
        return Span(200, 0, size)
    return span(range_header, size)


def span(range_header: str, size: int) -> Span:
    """The span that `Range: <range_header>` names; several ranges, and what is no range, mean the whole file."""
    whole = Span(200, 0, size)
    match = _SINGLE_RANGE.fullmatch(range_header.strip()) if len(range_header) <= _LONGEST_RANGE else None
    if match is None or match.groups() == ("", ""):
        return whole
    first, last = match.groups()
    if not first:
        return _suffix(int(last), size)
    if last and int(last) < int(first):
        return whole
    if int(first) >= size:
        return Span(416, 0, 0)
    return Span(206, int(first), min(int(last) + 1, size) if last else size)


def _suffix(length: int, size: int) -> Span:
    """The last `length` bytes."""
    if length == 0:
        return Span(416, 0, 0)
    # An empty file satisfies a suffix range, but no Content-Range can say so.
    return Span(206, max(size - length, 0), size) if size else Span(200, 0, 0)


def _matches(if_none_match: str, etag: str) -> bool:
    if len(if_none_match) > _LONGEST_CONDITION:
        return False
    tags = (tag.strip().removeprefix("W/") for tag in if_none_match.split(","))
    return if_none_match.strip() == "*" or etag in tags
