"""Signed, expiring URLs of stored files, and which URLs are our own."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import SplitResult, parse_qs, unquote, urlencode, urlsplit

from fluxhouse.generation.errors import Gone, UnknownFile
from fluxhouse.storage.storage import checked_key

# The secret serves other purposes too: this label keeps a signature for one from being valid for another.
_PURPOSE = b"fluxhouse signed url 1"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LONGEST_URL = 4096  # characters


@dataclass(frozen=True, slots=True)
class OwnUrl:
    """A URL under our own public URL, taken apart; `expires` and `signature` are empty where it carries none."""

    key: str
    expires: str
    signature: str


class UrlSigner:
    """Makes URLs that anyone may read until they expire, and checks them.

    `secret` is the installation's; `public_url` is where callers reach it, such as `https://images.example.com`.
    """

    def __init__(self, secret: bytes, public_url: str) -> None:
        self._secret = hmac.digest(secret, _PURPOSE, hashlib.sha256)
        self._public_url = public_url.rstrip("/")
        self._own = urlsplit(self._public_url)

    def sign(self, key: str, expires_at: datetime) -> str:
        """The URL of `key`, valid before `expires_at` (a fraction of a second is cut off)."""
        expires = str(int(expires_at.timestamp()))
        query = urlencode({"expires": expires, "signature": self._signature(checked_key(key), expires)})
        return f"{self._public_url}/{key}?{query}"

    def check(self, key: str, expires: str, signature: str, now: datetime) -> None:
        """Return where the three belong together and `now` is before the expiry.

        Raises UnknownFile for a signature we did not make, Gone for one that is past.
        """
        # Bytes, since comparing text in constant time is only defined for ASCII.
        expected = self._signature(key, expires).encode()
        if not hmac.compare_digest(expected, signature.encode(errors="surrogatepass")):
            raise UnknownFile
        if now.timestamp() >= int(expires):
            raise Gone

    def own_key(self, url: str) -> OwnUrl | None:
        """What `url` names on this installation, or None where it points elsewhere.

        Any path under the public URL counts as our own, whether or not a file stands there: such a URL must be read
        from storage after `check`, and never be fetched.
        """
        parts = _split(url)
        if parts is None or _place(parts) != _place(self._own):
            return None
        prefix = f"{self._own.path}/"
        path = unquote(parts.path)
        if not path.startswith(prefix):
            return None
        query = parse_qs(parts.query, max_num_fields=16) if parts.query.count("&") < 16 else {}
        return OwnUrl(path.removeprefix(prefix), _first(query, "expires"), _first(query, "signature"))

    def _signature(self, key: str, expires: str) -> str:
        message = f"{key}\n{expires}".encode(errors="surrogatepass")
        digest = hmac.digest(self._secret, message, hashlib.sha256)
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _split(url: str) -> SplitResult | None:
    """The parts of an http(s) URL without credentials, or None for anything else."""
    if len(url) > _LONGEST_URL:
        return None
    try:
        parts = urlsplit(url.strip())
        usable = parts.scheme in _DEFAULT_PORTS and parts.hostname and "@" not in parts.netloc and parts.port != 0
    except ValueError:  # also raised by reading a port that is no number
        return None
    return parts if usable else None


def _place(parts: SplitResult) -> tuple[str, int | None]:
    """Host and port; the default ports of http and https count as the same place."""
    host = (parts.hostname or "").rstrip(".").lower()
    port = None if parts.port in (None, _DEFAULT_PORTS.get(parts.scheme)) else parts.port
    return host, port


def _first(query: dict[str, list[str]], name: str) -> str:
    return query.get(name, [""])[0]
