"""Standard Webhooks signatures: how a receiver can tell that a message is ours, whole and new."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime

SECRET_PREFIX = "whsec_"


def spelled_secret(secret: bytes) -> str:
    """A signing secret as its owner is shown it and as verifying libraries read it."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def signed_headers(message_id: str, now: datetime, body: bytes, secrets: Sequence[bytes]) -> dict[str, str]:
    """The three headers of https://www.standardwebhooks.com for one sending of `body`.

    `now` is the moment of this sending, by which a receiver refuses what was recorded and sent again. There is one
    signature for each of the `secrets`, separated by spaces: while they are being rotated, either one verifies.
    """
    timestamp = str(int(now.timestamp()))
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = (base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode() for secret in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
