"""The server under measurement: a real `fluxhouse serve` in its own process, to be driven and killed."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import httpx2

from fluxhouse.cli.bench.processor import children

READY_SECONDS = 180.0
_OWN_PORTS = range(20_000, 32_000)


class Subject:
    """One data folder and the `serve` or `worker` process on it, started and killed as often as a campaign likes."""

    victims = ("server", "engine", "server and engine")

    def __init__(
        self,
        folder: Path,
        arguments: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
        role: str = "serve",
    ) -> None:
        self._folder = folder
        self._role = role
        self._arguments = arguments
        self._environment = os.environ | dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the process; returns at once."""
        command = [sys.executable, "-m", "fluxhouse", self._role, "--data", str(self._folder), "--port", str(self.port)]
        with (self._folder / "serve.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *self._arguments], stdout=log, stderr=log, env=self._environment
            )

    def wait_until(self, path: str) -> None:
        """Return when GET `path` (`/healthz`, `/readyz`) answers 200; raises TimeoutError with the log's end."""
        started = time.monotonic()
        with httpx2.Client(timeout=2) as client:  # One for all: each costs as much processor time as 30 requests.
            while (waited := time.monotonic() - started) < READY_SECONDS:
                with suppress(httpx2.TransportError):
                    if client.get(self.url + path).status_code == 200:
                        return
                if self._process is not None and self._process.poll() is not None:
                    break
                time.sleep(0.05 + waited / 20)  # The longer the start, the less it matters; every look slows it down.
        raise TimeoutError(f"the server did not answer {path}; its log ends:\n{self.log_end()}")

    def log_end(self) -> str:
        """The last lines that the process wrote."""
        return (self._folder / "serve.log").read_text(errors="replace")[-2000:]

    @property
    def urls(self) -> list[str]:
        """Where callers find it."""
        return [self.url]

    def strike(self, victim: str) -> None:
        """Kill -9 one of `victims`; a server is started again at once."""
        if "engine" in victim:
            self.kill_engine()
        if "server" in victim:
            self.kill()
            self.start()

    def close(self) -> None:
        """Kill what runs."""
        with suppress(ProcessLookupError):
            self.kill()

    def kill(self) -> None:
        """kill -9 the server; the engine must notice by itself."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def kill_engine(self) -> bool:
        """kill -9 the engine process; False where none runs."""
        assert self._process is not None
        engines = [pid for pid in children(self._process.pid) if "fluxhouse.engine.process" in _command(pid)]
        for pid in engines:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return bool(engines)

    def stop(self) -> int:
        """SIGTERM, then wait; the exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(60)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another `fluxhouse` command on the same data folder."""
        line = [sys.executable, "-m", "fluxhouse", *arguments, "--data", str(self._folder)]
        return subprocess.run(line, capture_output=True, text=True, check=False, env=self._environment)

    def open_account(self, name: str, credits: int, rate: int) -> str:
        """A new account with that many credits; the text of a key that may submit `rate` times a minute."""
        created = self.command("accounts", "create", name, "--credits", str(credits))
        issued = self.command("keys", "create", name, "--rate", str(rate))
        if created.returncode or issued.returncode:
            raise RuntimeError(created.stderr + issued.stderr)
        return issued.stdout.strip().splitlines()[-1]


def free_port() -> int:
    """A port nobody listens on, below those the system gives out by itself: it stays ours while a server is down.

    On a port that the system gives out, another program may listen meanwhile, or a client that keeps asking for the
    dead server be connected to itself, which keeps the server from coming back.
    """
    for port in random.SystemRandom().sample(_OWN_PORTS, 50):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("no free port was found")


def _command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return ""
