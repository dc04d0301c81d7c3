"""One job followed to its end: by its event stream, taken up again where it broke, else by polling."""

# Written by scripts/unasync.py from async_following.py, which is the one to change.

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from time import sleep

import httpx2

from fluxhouse.client.asking import get, segment
from fluxhouse.client.errors import ConnectionFailed, ServerError, Timeout
from fluxhouse.client.events import Ended, Event, StatusChanged, Step, event_of
from fluxhouse.client.facts import ENDED
from fluxhouse.client.reading import Body, understood
from fluxhouse.client.retry import Deadline
from fluxhouse.client.sync_jobs import Job, job_reader
from fluxhouse.client.sync_wire import Wire

_SILENCE_SECONDS = 45.0  # the server says something every fifteen
# No read can be cut short, so that one who waits so long and no longer looks at the time this often.
_QUIET_SECONDS = 2.0
_STREAMS = 3  # that break before their first event, in a row; then the job is polled
_PASSING = (429, 502, 503, 504)
_LONGEST_POLL_SECONDS = 5.0


class Follower:
    """What happens to one job until it ends or the deadline passes."""

    def __init__(self, wire: Wire, job_id: str, deadline: Deadline) -> None:
        self._wire = wire
        self._id = job_id
        self._path = f"jobs/{segment(job_id)}"
        self._deadline = deadline
        self._seen = ""
        self._broken = 0
        self._read_job = job_reader(wire)

    def events(self) -> Generator[Event | Ended[Job], None, None]:
        """The events, `Ended` last; raises `Timeout`, and what polling raises."""
        while self._broken < _STREAMS:
            with closing(self._streamed()) as streamed:
                for event in streamed:
                    yield event
                    if isinstance(event, Ended):
                        return
            self._require_time()
            if 0 < self._broken < _STREAMS:
                self._pause(self._wire.retry.pause(self._broken))
        yield from self._polled()

    def _streamed(self) -> Generator[Event | Ended[Job], None, None]:
        """The events of one stream until it ends or breaks, which is counted."""
        silence = _QUIET_SECONDS if self._deadline.bounded else _SILENCE_SECONDS
        try:
            with self._wire.stream(f"{self._path}/events", self._seen, silence, self._deadline) as response:
                if not _is_stream(response):
                    # Whatever else is wrong, polling will say it.
                    self._broken = self._broken + 1 if response.status_code in _PASSING else _STREAMS
                    return
                for sent in httpx2.EventSource(response):
                    event = self._understood(sent)
                    if event is not None:
                        yield event
                    self._require_time()
            self._broken += 1
        except httpx2.ReadTimeout:
            if not self._deadline.bounded:
                self._broken += 1
        except (httpx2.RequestError, ServerError):
            self._broken += 1  # perhaps within an event: what is taken up begins after the last whole one

    def _polled(self) -> Generator[Event | Ended[Job], None, None]:
        """The same by asking again and again, as far as that shows it."""
        told: list[Event] = []
        pause = self._wire.retry.first_seconds
        while True:
            try:
                job = self._wire.ask(get(self._path), self._read_job, self._deadline)
            except (ConnectionFailed, Timeout):
                self._require_time()
                raise
            if job.ended:
                yield Ended(job)
                return
            seen: list[Event] = [StatusChanged(job.status)]
            if job.progress is not None:
                seen.append(Step(job.progress.index, job.progress.step, job.progress.steps))
            for event in seen:
                if event not in told:
                    yield event
            told = seen
            self._pause(pause)
            pause = min(pause * 1.5, _LONGEST_POLL_SECONDS)

    def _understood(self, sent: httpx2.ServerSentEvent) -> Event | Ended[Job] | None:
        """The event in a message, after which the stream is taken up again should it break."""

        def read(body: Body) -> Event | Ended[Job] | None:
            if sent.event == "status" and body["status"] in ENDED:
                return Ended(self._read_job(body))
            return event_of(sent.event, body)

        event = understood(read, sent.data)
        self._seen = sent.id or self._seen
        self._broken = 0
        return event

    def _pause(self, seconds: float) -> None:
        self._require_time()
        sleep(self._deadline.at_most(seconds))
        self._require_time()

    def _require_time(self) -> None:
        if self._deadline.passed:
            raise Timeout(f"The job {self._id} has not ended in time; it goes on.", self._id)


def _is_stream(response: httpx2.Response) -> bool:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return response.status_code == 200 and kind == "text/event-stream"
