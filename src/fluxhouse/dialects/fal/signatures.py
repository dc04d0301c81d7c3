"""fal's signature of webhooks: Ed25519, by one key of the installation whose public half anybody may read."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fluxhouse.core.jobs import Job
from fluxhouse.dialects.answering import as_uuid
from fluxhouse.dialects.dialect import Door

_LABEL = b"fal webhook key 1"  # keeps what the pepper does here apart from what it does elsewhere
_CACHED = {"Cache-Control": "public, max-age=3600"}


def signature(door: Door, job: Job, body: bytes) -> Mapping[str, str]:
    """The four headers of one sending of `body`.

    Signed are request id, account, moment in Unix seconds and the body's SHA-256, a line each; receivers refuse what
    is older than five minutes.
    """
    request_id, moment = as_uuid(job.id), str(int(door.clock.now().timestamp()))
    message = "\n".join([request_id, job.account_id, moment, hashlib.sha256(body).hexdigest()])
    return {
        "X-Fal-Webhook-Request-Id": request_id,
        "X-Fal-Webhook-User-Id": job.account_id,
        "X-Fal-Webhook-Timestamp": moment,
        "X-Fal-Webhook-Signature": _key(door).sign(message.encode()).hex(),
    }


class PublicKeys:
    """`GET /fal/rest/.well-known/jwks.json`."""

    def __init__(self, door: Door) -> None:
        public = _key(door).public_key().public_bytes_raw()
        name = hashlib.sha256(public).hexdigest()[:16]
        text = base64.urlsafe_b64encode(public).rstrip(b"=").decode()
        self._body = {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": text, "kid": name, "use": "sig", "alg": "EdDSA"}]}

    async def get(self, _request: Request) -> Response:
        """The keys that verify webhooks now, as RFC 8037 writes them."""
        return JSONResponse(self._body, headers=_CACHED)


def _key(door: Door) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hmac.digest(door.options.pepper, _LABEL, hashlib.sha256))
