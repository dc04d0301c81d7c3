"""What each accent costs beside the native API: the same picture asked for in all of them in turn, in one run."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from fluxhouse.cli.bench.subject import Subject

_CREDITS = 100_000
_RATE = 1_000_000
_WARM_UP = 5
_SIDE = 512
_PROMPT = "a lighthouse at dusk"
_PIXAZO = "Ocp-Apim-Subscription-Key"
_SOON_SECONDS = 0.002  # between polls: a dialect that answers late must not be helped by a long pause

Answer = httpx2.Response


@dataclass(slots=True)
class DialectRow:
    """One accent's latencies in seconds, in the order of the calls; `peer` is the native way of asking alike."""

    name: str
    peer: str
    latencies: list[float] = field(default_factory=list)

    @property
    def median_ms(self) -> float:
        return statistics.median(self.latencies) * 1000


class Speaker:
    """Asks one server for the same picture in every accent; each method returns when the picture has an address."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client

    def native(self) -> None:
        """One call that waits."""
        body = {"prompt": _PROMPT, "width": _SIDE, "height": _SIDE}
        answer = self._post("/api/v1/models/flux-dev/run", body, {"Prefer": "wait=60"})
        _expect(answer.json()["status"] == "completed", answer)

    def native_polled(self) -> None:
        """A submit, then polls."""
        body = {"prompt": _PROMPT, "width": _SIDE, "height": _SIDE}
        job = self._post("/api/v1/models/flux-dev/run", body).json()["jobId"]
        self._poll(lambda: self._client.get(f"/api/v1/jobs/{job}"), lambda answer: answer["status"] == "completed")

    def pixazo(self) -> None:
        """A submit, then polls."""
        answer = self._post(
            "/flux-dev/v1/dev/textToImage", {"prompt": _PROMPT, "image_size": "square"}, key=_PIXAZO
        ).json()
        request = {"request_id": answer["request_id"]}
        self._poll(
            lambda: self._post("/flux-dev-polling/dev/getFluxDevStatus", request, key=_PIXAZO),
            lambda answer: "images" in answer,
        )

    def openai(self) -> None:
        """One call that waits."""
        body = {"model": "flux-dev", "prompt": _PROMPT, "size": f"{_SIDE}x{_SIDE}", "response_format": "url"}
        answer = self._post("/v1/images/generations", body)
        _expect("url" in answer.json()["data"][0], answer)

    def replicate(self) -> None:
        """One call that waits."""
        body = {"input": {"prompt": _PROMPT, "aspect_ratio": "1:1", "megapixels": "0.25"}}
        path = "/v1/models/black-forest-labs/flux-dev/predictions"
        answer = self._post(path, body, {"Prefer": "wait=60"})
        _expect(answer.json()["status"] in ("succeeded", "starting", "processing"), answer)
        get = answer.json()["urls"]["get"]
        self._poll(lambda: answer, lambda body: body["status"] == "succeeded", lambda: self._client.get(get))

    def fal(self) -> None:
        """One call that waits."""
        body = {"prompt": _PROMPT, "image_size": {"width": _SIDE, "height": _SIDE}, "output_format": "png"}
        answer = self._post("/fal/run/fal-ai/flux/dev", body, key="Key")
        _expect("url" in answer.json()["images"][0], answer)

    def bfl(self) -> None:
        """A submit, then polls."""
        answer = self._post("/bfl/v1/flux-dev", {"prompt": _PROMPT, "width": _SIDE, "height": _SIDE}, key="x-key")
        address = answer.json()["polling_url"]
        self._poll(lambda: self._client.get(address), lambda answer: answer["status"] == "Ready")

    def mcp(self) -> None:
        """One tool call that waits, the picture itself in the answer."""
        arguments = {"prompt": _PROMPT, "model": "flux-dev", "width": _SIDE, "height": _SIDE}
        call = {"name": "generate_image", "arguments": arguments}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
        accept = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-06-18"}
        answer = self._post("/mcp", body, accept)
        told = [
            json.loads(line[5:]) for line in answer.text.splitlines() if line.startswith("data:") and line[5:].strip()
        ]
        _expect(any(entry.get("result", {}).get("isError") is False for entry in told), answer)

    def _post(self, path: str, body: Any, headers: dict[str, str] | None = None, key: str = "Bearer") -> Answer:
        sent = dict(headers or {})
        token = self._client.headers["x-own-key"]
        sent |= {key: token} if "-" in key else {"Authorization": f"{key} {token}"}
        answer = self._client.post(path, json=body, headers=sent)
        _expect(answer.is_success, answer)
        return answer

    def _poll(
        self,
        ask: Callable[[], Answer],
        ended: Callable[[Any], bool],
        then: Callable[[], Answer] | None = None,
    ) -> None:
        """Ask until it has ended, `then` from the second time on."""
        while not ended((answer := ask()).json()):
            _expect(answer.is_success, answer)
            time.sleep(_SOON_SECONDS)
            ask = then or ask


_WAITED, _POLLED = "native", "native, polled"
_WAYS: dict[str, tuple[str, Callable[[Speaker], None]]] = {
    _WAITED: (_WAITED, Speaker.native),
    "openai": (_WAITED, Speaker.openai),
    "replicate": (_WAITED, Speaker.replicate),
    "fal": (_WAITED, Speaker.fal),
    "mcp": (_WAITED, Speaker.mcp),
    _POLLED: (_POLLED, Speaker.native_polled),
    "pixazo": (_POLLED, Speaker.pixazo),
    "bfl": (_POLLED, Speaker.bfl),
}


def compare_dialects(folder: Path, calls: int) -> Iterator[DialectRow]:
    """Every accent's latencies, its calls taken in turn with all others' on a server with an instant backend."""
    subject = Subject(folder, environment={"FLUXHOUSE_MODELS": "*=testcard", "FLUXHOUSE_LOG_LEVEL": "error"})
    subject.start()
    try:
        subject.wait_until("/readyz")
        key = subject.open_account("bench", _CREDITS, _RATE)
        own = {"x-own-key": key, "Authorization": f"Bearer {key}"}
        with httpx2.Client(base_url=subject.url, headers=own, timeout=60) as client:
            yield from _measured(Speaker(client), calls)
    finally:
        subject.close()


def _measured(speaker: Speaker, calls: int) -> Iterator[DialectRow]:
    rows = {name: DialectRow(name, peer) for name, (peer, _) in _WAYS.items()}
    for number in range(_WARM_UP + calls):
        for name, (_, ask) in _WAYS.items():
            started = time.perf_counter()
            ask(speaker)
            if number >= _WARM_UP:
                rows[name].latencies.append(time.perf_counter() - started)
    yield from rows.values()


def _expect(good: bool, answer: Answer) -> None:
    if not good:
        raise RuntimeError(f"{answer.request.url} answered {answer.status_code}: {answer.text[:500]}")
