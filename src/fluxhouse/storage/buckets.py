"""Where an `s3://` URL leads: bucket, prefix, endpoint and region, read without reaching for any of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from fluxhouse.generation.errors import UnknownFile
from fluxhouse.storage.storage import checked_key

SCHEME = "s3://"

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REGION = re.compile(r"[a-z0-9-]{1,40}")
_LONGEST_PREFIX = 500  # characters: with the longest key still a name that S3 takes
_PARAMETERS = {"endpoint", "region"}


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket, or the part of one below `prefix` ("" is all of it); None leaves the choice to the environment."""

    name: str
    prefix: str
    endpoint: str | None
    region: str | None

    @classmethod
    def parse(cls, url: str) -> Bucket:
        """The bucket of `s3://bucket[/prefix][?endpoint=https://host:port&region=name]`.

        Raises ValueError, which says what is allowed and repeats nothing that could be a secret.
        """
        try:
            parts = urlsplit(url)
            query = parse_qsl(parts.query, strict_parsing=bool(parts.query), max_num_fields=8)
        except ValueError:
            raise ValueError("must be s3://bucket[/prefix][?endpoint=URL&region=name]") from None
        if parts.scheme != "s3" or parts.fragment:
            raise ValueError("must be s3://bucket[/prefix][?endpoint=URL&region=name]")
        if "@" in parts.netloc:
            raise ValueError("must not contain credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        if not _NAME.fullmatch(parts.netloc):
            raise ValueError("must name a bucket: 3 to 63 lower-case letters, digits, dots and dashes")
        chosen = dict(query)
        if not chosen.keys() <= _PARAMETERS or len(chosen) < len(query):
            raise ValueError("takes the parameters endpoint and region, once each; credentials come from AWS_*")
        return cls(parts.netloc, _prefix(parts.path), _endpoint(chosen.get("endpoint")), _region(chosen.get("region")))

    def __str__(self) -> str:
        """What tells this place from any other."""
        return f"{self.endpoint or ''} {self.name}/{self.prefix}"


def _prefix(path: str) -> str:
    prefix = path.strip("/")
    try:
        if len(prefix) <= _LONGEST_PREFIX:
            return prefix and checked_key(prefix)
    except UnknownFile:
        pass
    raise ValueError(
        f"has a prefix that is not names of letters, digits, . _ - between slashes, {_LONGEST_PREFIX} long"
    )


def _endpoint(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # also raised by reading a port that is no number
        usable = False
    if not usable or "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("has an endpoint that is not http(s)://host[:port], without credentials")
    return text.rstrip("/")


def _region(text: str | None) -> str | None:
    if text is not None and not _REGION.fullmatch(text):
        raise ValueError("has a region that is not lower-case letters, digits and dashes")
    return text
