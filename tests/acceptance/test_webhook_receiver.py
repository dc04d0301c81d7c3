"""The receiver that the guide shows, run as it stands: it takes our messages once, and refuses everybody else's."""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import httpx2
import pytest

from fluxhouse.assembly import assemble
from fluxhouse.core import accounts, keys, ledger
from fluxhouse.core.signing import signed_headers, spelled_secret
from fluxhouse.engine.testcard import TestCard
from fluxhouse.settings import Settings

GUIDE = Path(__file__).parents[2] / "docs" / "howto" / "webhooks.md"
SECRET, OLD_SECRET = b"s" * 32, b"o" * 32
BODY = json.dumps({"type": "job.completed", "data": {"jobId": "job_1"}}).encode()


class Receiver:
    """The guide's program in a process of its own."""

    def __init__(self, folder, *secrets):
        self.printed = None
        program = folder / "receiver.py"
        program.write_text(re.search(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)[1])
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/hook"
        environment = os.environ | {"WEBHOOK_SECRETS": " ".join(secrets)}
        command = [sys.executable, program, str(port)]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(500):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError("the receiver did not start")

    def send(self, body, headers):
        answer = httpx2.post(self.url, content=body, headers=headers, timeout=10)
        return answer.status_code, answer.text

    def end(self):
        """What it printed."""
        if self.printed is None:
            self.process.kill()
            self.printed = self.process.communicate()[0].splitlines()
        return self.printed


@pytest.fixture
def started(tmp_path):
    """Starts receivers and ends them."""
    receivers = []

    def start(*secrets):
        receivers.append(Receiver(tmp_path, *secrets))
        return receivers[-1]

    yield start
    for receiver in receivers:
        receiver.end()


def headers(*secrets, at=None, message_id="msg_1"):
    return signed_headers(message_id, at or datetime.now(UTC), BODY, secrets or (SECRET,))


def test_our_message_is_taken_once(started):
    """A repeat is answered well and not acted upon."""
    receiver = started(spelled_secret(SECRET))
    assert receiver.send(BODY, headers()) == (200, "taken")
    assert receiver.send(BODY, headers()) == (200, "seen before")
    assert receiver.send(BODY, headers(message_id="msg_2")) == (200, "taken")
    assert receiver.end() == ["job.completed job_1"] * 2


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        (BODY, {}),
        (BODY, {"webhook-signature": ""}),
        (BODY, {"webhook-signature": "v1"}),
        (BODY, {"webhook-signature": "v1,a,b"}),
        (BODY, {"webhook-timestamp": "soon"}),
        (BODY, {"webhook-timestamp": ""}),
        (BODY, {"webhook-id": "msg_2"}),
        (b"\xff", {"webhook-id": "msg_1"}),
        (BODY.replace(b"job_1", b"job_2"), {"webhook-id": "msg_1"}),
    ],
    ids=["stranger", "unsigned", "short", "odd", "no-moment", "empty-moment", "other-id", "not-utf8", "other-body"],
)
def test_a_forged_message_is_refused(started, body, sent):
    """Unsigned, signed by nobody we know, or altered on its way: 400, and nothing is done."""
    receiver = started(spelled_secret(SECRET))
    given = (headers() | sent) if sent else headers(b"x" * 32)
    status, text = receiver.send(body, given)
    assert (status, text.split(":")[0]) == (400, "refused")
    assert receiver.send(BODY, {})[0] == 400
    assert receiver.end() == []


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_recorded_message_is_refused_later(started, minutes):
    """A true signature of another moment opens nothing."""
    receiver = started(spelled_secret(SECRET))
    status, text = receiver.send(BODY, headers(at=datetime.now(UTC) + timedelta(minutes=minutes)))
    assert (status, text) == (400, "refused: sent too long ago")
    assert receiver.end() == []


def test_during_a_rotation_either_side_may_be_ahead(started):
    """Old receiver, new sender, and the other way round."""
    old, both = started(spelled_secret(OLD_SECRET)), started(spelled_secret(SECRET), spelled_secret(OLD_SECRET))
    assert old.send(BODY, headers(SECRET, OLD_SECRET))[0] == 200
    assert both.send(BODY, headers(OLD_SECRET))[0] == 200
    assert old.send(BODY, headers(SECRET))[0] == 400


async def test_the_platform_and_the_receiver_understand_each_other(started, tmp_path):
    """From submit to the line that the receiver prints, over real sockets, twice with a replay and acted upon once."""
    settings = Settings(data=tmp_path / "house", egress_allow=(ip_network("127.0.0.0/8"),))
    platform = assemble(settings, backends={"*": TestCard()})
    await platform.start()
    try:
        key = await platform.database.write(lambda connection: new_key(connection, platform.door))
        transport = httpx2.ASGITransport(app=platform.app)
        bearer = {"Authorization": f"Bearer {key}"}
        async with httpx2.AsyncClient(transport=transport, base_url="http://house.test", headers=bearer) as client:
            secret = (await client.get("/api/v1/webhooks/secret")).json()["secret"]
            receiver = started(secret)
            body = {"prompt": "a fox", "width": 256, "height": 256, "webhook_url": receiver.url}
            job = (await client.post("/api/v1/models/flux/run", json=body)).json()["jobId"]
            await delivered(client, job, 1)
            assert (await client.post(f"/api/v1/jobs/{job}/webhook/replay")).status_code == 202
            await delivered(client, job, 2)
    finally:
        await platform.stop()
    assert receiver.end() == [f"job.completed {job}"]


async def delivered(client, job, attempts):
    async with asyncio.timeout(20):
        while True:
            log = (await client.get(f"/api/v1/jobs/{job}/webhook")).json()
            if log["status"] == "delivered" and len(log["attempts"]) == attempts:
                return
            await asyncio.sleep(0.02)


def new_key(connection, door):
    now = door.clock.now()
    account = accounts.create(connection, "caller", now)
    ledger.grant(connection, account.id, 10_000_000, now, None)
    return keys.issue(connection, account.id, door.options.pepper, now)[1]
