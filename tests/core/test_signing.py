"""Signatures as the vendor's own library checks them."""

from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from fluxhouse.core.signing import signed_headers, spelled_secret

OLD, NEW = b"o" * 32, b"n" * 32
BODY = b'{"type":"job.completed","prompt":"\xc3\xa9"}'


def headers(*secrets, **changed):
    return signed_headers("msg_1", datetime.now(UTC), BODY, secrets or (NEW,)) | changed


@pytest.mark.parametrize("secrets", [(NEW,), (NEW, OLD), (OLD, NEW)])
def test_the_vendor_library_accepts_what_we_sign(secrets):
    """One valid secret among several verifies, wherever it stands."""
    verified = Webhook(spelled_secret(NEW)).verify(BODY.decode(), headers(*secrets))
    assert verified["type"] == "job.completed"


@pytest.mark.parametrize(
    ("body", "changed"),
    [
        (BODY.replace(b"completed", b"failed"), {}),
        (BODY, {"webhook-id": "msg_2"}),
        (BODY, {"webhook-timestamp": str(int(datetime.now(UTC).timestamp()) + 60)}),
        (BODY, {"webhook-signature": "v1,AAAA"}),
    ],
    ids=["body", "id", "timestamp", "signature"],
)
def test_a_forged_part_is_refused(body, changed):
    """Body, id and moment are all signed."""
    with pytest.raises(WebhookVerificationError):
        Webhook(spelled_secret(NEW)).verify(body.decode(), headers(**changed))


def test_another_secret_and_an_old_moment_are_refused():
    """Neither a stranger nor who recorded a message can pass for us."""
    with pytest.raises(WebhookVerificationError):
        Webhook(spelled_secret(OLD)).verify(BODY.decode(), headers(NEW))
    old = signed_headers("msg_1", datetime(2026, 1, 1, tzinfo=UTC), BODY, (NEW,))
    with pytest.raises(WebhookVerificationError):
        Webhook(spelled_secret(NEW)).verify(BODY.decode(), old)
