"""A receiver of webhooks for campaigns, which remembers what it was told and says what is missing or false."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

ALLOWED = "127.0.0.0/8"  # what the operator must let webhooks reach
_LOOK_SECONDS = 0.1


class Receiver:
    """Takes every delivery; one message may come several times, by its id. Listens from its making to its `close`."""

    def __init__(self) -> None:
        self._told: dict[str, list[tuple[str, str]]] = {}  # by job: id of the message and type of its event
        self._lock = Lock()
        self._listener = ThreadingHTTPServer(("127.0.0.1", 0), _recording(self))
        self._thread = Thread(target=self._listener.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._listener.server_port}/told"

    @property
    def deliveries(self) -> int:
        """How many there were, repeats included."""
        with self._lock:
            return sum(len(told) for told in self._told.values())

    def hear(self, message_id: str, message: Mapping[str, Any]) -> None:
        """Remember one delivery."""
        with self._lock:
            self._told.setdefault(message["data"]["jobId"], []).append((message_id, message["type"]))

    def complaints(self, ends: Mapping[str, str], deadline: float) -> list[str]:
        """What is wrong with what was told of these jobs, by id and status; waits for the missing until the deadline.

        Each end is told at least once, always as the same message, and no end that was not.
        """
        while (missing := ends.keys() - self._heard()) and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        found = [f"{job_id}: nobody was told of its end" for job_id in sorted(missing)]
        with self._lock:
            told = {job_id: set(self._told.get(job_id, ())) for job_id in ends}
        for job_id, messages in told.items():
            if len(messages) > 1:
                found.append(f"{job_id}: several messages about one end: {sorted(messages)}")
            if any(kind != f"job.{ends[job_id]}" for _, kind in messages):
                found.append(f"{job_id} is {ends[job_id]}, but was told as {sorted(messages)}")
        return found

    def close(self) -> None:
        """Listen no more."""
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join()

    def _heard(self) -> set[str]:
        with self._lock:
            return set(self._told)


def _recording(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Recording(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.hear(self.headers["webhook-id"], json.loads(body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing of each."""

    return Recording
