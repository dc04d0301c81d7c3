"""The running API keeps every word of its OpenAPI document, as Schemathesis reads it."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import uvicorn

from fluxhouse.assembly import assemble
from fluxhouse.core import accounts, keys, ledger
from fluxhouse.core.keys import Limits
from fluxhouse.engine.testcard import TestCard
from fluxhouse.settings import Settings

CONFIG = Path(__file__).with_name("schemathesis.toml")
FEW = (
    r"^/api/v1/(models/flux-kontext-pro/(run|quote)|models(/\{.*)?|jobs.*|webhooks.*|files.*|loras.*|credits|usage)$"
    r"|^/\w+z$"
)


class SmallCard(TestCard):
    """Paints 64 x 64 px whatever is asked: a waiting call must not queue behind large pictures of other cases."""

    async def generate(self, request, inputs):
        async for progress in super().generate(replace(request, width=64, height=64), inputs):
            yield progress


class Served(threading.Thread):
    """A platform behind a real socket, in a thread of its own."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self._folder = folder
        self._up = threading.Event()
        self.address = self.key = ""

    def run(self):
        asyncio.run(self._serve())

    async def _serve(self):
        platform = assemble(Settings(data=self._folder), backends={"*": SmallCard()})
        await platform.start()
        self.key = await platform.database.write(lambda connection: self._new_key(connection, platform.door))
        self._http = uvicorn.Server(uvicorn.Config(platform.app, log_config=None, access_log=False))
        listener = socket.create_server(("127.0.0.1", 0))  # bound: connections wait from here on
        self.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self._up.set()
        await self._http.serve(sockets=[listener])
        await platform.stop()

    def _new_key(self, connection, door):
        now = door.clock.now()
        account = accounts.create(connection, "reader", now)
        ledger.grant(connection, account.id, 10**12, now, None)
        limits = Limits(rate_per_minute=10**6)
        return keys.issue(connection, account.id, door.options.pepper, now, limits=limits)[1]

    def __enter__(self):
        self.start()
        assert self._up.wait(30)
        return self

    def __exit__(self, *_):
        self._http.should_exit = True
        self.join(30)


def judge(served, folder, *options):
    """Schemathesis' own verdict on the served document: 0 where every check holds."""
    command = [
        Path(sys.executable).with_name("schemathesis"),
        *("--config-file", CONFIG, "run", f"{served.address}/api/openapi", "--no-color"),
        *("--header", f"Authorization: Bearer {served.key}", "--exclude-path-regex", "/events$", *options),
    ]
    folders = os.pathsep.join([str(CONFIG.parent), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": folders, "SCHEMATHESIS_HOOKS": "valid_requests"},
        capture_output=True,
        text=True,
        check=False,
        timeout=3600,
    )


def test_the_document_is_kept(tmp_path):
    """No 500, no undocumented status, header or body, on every route and on one model that stands for the others."""
    with Served(tmp_path / "house") as served:
        verdict = judge(served, tmp_path, "--include-path-regex", FEW)
    assert verdict.returncode == 0, verdict.stdout[-6000:] + verdict.stderr


@pytest.mark.long
def test_the_document_is_kept_for_every_model(tmp_path):
    """The same with every model and more examples."""
    with Served(tmp_path / "house") as served:
        verdict = judge(served, tmp_path, "--max-examples", "20")
    assert verdict.returncode == 0, verdict.stdout[-6000:] + verdict.stderr
