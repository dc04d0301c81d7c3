"""Webhooks are signed so that the vendor's way of verifying them, by a public key, holds here."""

from __future__ import annotations

import base64
import hashlib
import json
import time

import httpx2
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

DEV, FAILING = "fal-ai/flux/dev", "fal-ai/flux/krea"
SMALL = {"prompt": "a red boat", "image_size": {"width": 256, "height": 256}}


@pytest.fixture(scope="module")
def verify(live):
    """The vendor's guide, step by step."""

    def verified(headers, body):
        named = {name: headers[f"x-fal-webhook-{name}"] for name in ("request-id", "user-id", "timestamp", "signature")}
        assert abs(time.time() - int(named["timestamp"])) <= 300
        parts = [named["request-id"], named["user-id"], named["timestamp"], hashlib.sha256(body).hexdigest()]
        for key in httpx2.get(f"{live.url}/fal/rest/.well-known/jwks.json").json()["keys"]:
            public = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(key["x"] + "=="))
            try:
                public.verify(bytes.fromhex(named["signature"]), "\n".join(parts).encode())
            except InvalidSignature:
                continue
            return True
        return False

    return verified


def test_a_message_is_verified_by_the_public_key(caller, receiver, verify):
    """One about a success has the output, with addresses in sync mode too; a changed one is not verified."""
    submitted = caller.submit(body=SMALL | {"sync_mode": True}, fal_webhook=receiver.url).json()
    headers, body = receiver.next()
    told = json.loads(body)
    assert told["request_id"] == told["gateway_request_id"] == submitted["request_id"]
    assert (told["status"], told["payload"]["prompt"]) == ("OK", "a red boat")
    assert told["payload"]["images"][0]["url"].startswith("http")
    assert verify(headers, body)
    assert not verify(headers, body.replace(b"red", b"big"))
    assert headers["webhook-signature"].startswith("v1,")


def test_a_failure_is_told_with_its_body(caller, receiver, verify):
    """As whoever asks for the result gets it."""
    submitted = caller.submit(FAILING, fal_webhook=receiver.url)
    headers, body = receiver.next()
    told = json.loads(body)
    assert (told["status"], told["error"]) == ("ERROR", "Invalid status code: 500")
    assert told["payload"] == caller.result(submitted).json()
    assert verify(headers, body)


def test_a_webhook_that_may_not_be_called_is_refused(caller):
    """Before anything is made, by the parameter's name."""
    answer = caller.submit(fal_webhook="https://169.254.169.254/x")
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["query", "fal_webhook"])
    assert caller.submit(webhook="https://a.example").status_code == 422
