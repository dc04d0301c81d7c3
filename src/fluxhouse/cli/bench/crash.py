"""The crash campaign: kill -9 and network cuts at random moments, then prove that nothing is lost or charged twice."""

from __future__ import annotations

import io
import random
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import cycle
from pathlib import Path
from typing import Any, Protocol

import httpx2
from PIL import Image

from fluxhouse.cli.bench.receiver import Receiver
from fluxhouse.cli.bench.subject import Subject

ACCOUNT = "crash-campaign"
CREDITS = 1_000_000
_UNAVAILABLE = 503  # the database or the store is out of reach for a moment
SETTLED = frozenset({"completed", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class Campaign:
    """How hard to hit: rounds, jobs per round, and the seed of every random choice.

    Jobs come at random over `arrival_seconds`, so that a fault that lasts meets new ones too. The end of every second
    one is told to `receiver`, where there is one.
    """

    rounds: int
    jobs: int
    seed: int
    arrival_seconds: float = 0.0
    round_seconds: float = 240.0
    receiver: Receiver | None = None


@dataclass(slots=True)
class Findings:
    """What a campaign saw; `violations` must stay empty. `in_flight` jobs were taken in and not ended when struck."""

    rounds: int = 0
    strikes: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    in_flight: int = 0
    deliveries: int = 0
    states: Counter[str] = field(default_factory=Counter)
    images: int = 0
    charged_credits: Decimal = Decimal(0)
    slowest_round_seconds: float = 0.0
    violations: list[str] = field(default_factory=list)


class Target(Protocol):
    """What can be hit: where callers find it, what to strike, and the operator's commands."""

    @property
    def victims(self) -> Sequence[str]: ...

    @property
    def urls(self) -> list[str]: ...

    def strike(self, victim: str) -> None: ...

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]: ...

    def open_account(self, name: str, credits: int, rate: int) -> str: ...


def run(campaign: Campaign, folder: Path) -> Iterator[Findings]:
    """Run the campaign against one server on an empty data folder, yielding the findings so far after each round."""
    subject = Subject(folder)
    subject.start()
    try:
        subject.wait_until("/readyz")
        yield from against(subject, campaign)
    except httpx2.TransportError as error:
        raise RuntimeError(f"the server did not come back; its log ends:\n{subject.log_end()}") from error
    finally:
        subject.close()


def against(target: Target, campaign: Campaign) -> Iterator[Findings]:
    """Run the campaign against something that runs, yielding the findings so far after each round."""
    chance = random.Random(campaign.seed)
    client = _Client(target.urls, target.open_account(ACCOUNT, CREDITS, rate=1_000_000))
    findings = Findings()
    try:
        for number in range(campaign.rounds):
            _round(campaign, number, target, client, chance, findings)
            yield findings
    finally:
        client.close()


def _round(
    campaign: Campaign, number: int, target: Target, client: _Client, chance: random.Random, findings: Findings
) -> None:
    started = time.monotonic()
    victim, delay_seconds = chance.choice(target.victims), chance.uniform(0.0, 3.0)
    orders = [_order(number, index, chance, campaign.receiver) for index in range(campaign.jobs)]
    arrivals = sorted(started + chance.uniform(0.0, campaign.arrival_seconds) for _ in orders)
    with ThreadPoolExecutor(8) as pool:
        submits = [
            pool.submit(client.submit, order, arrival, started + campaign.round_seconds)
            for order, arrival in zip(orders, arrivals, strict=True)
        ]
        time.sleep(delay_seconds)
        struck_at = datetime.now(UTC)
        target.strike(victim)
        findings.strikes[victim] += 1
        accepted = [submit.result() for submit in submits]
        for one, order in zip(accepted, orders, strict=True):
            if order.cancelled:
                client.cancel(one.job_id, started + campaign.round_seconds)
    jobs = [client.wait(one.job_id, started + campaign.round_seconds) for one in accepted]
    findings.in_flight += sum(_spans(job, struck_at) for job in jobs)
    _judge(orders, accepted, jobs, client, findings)
    _judge_money(target, client, findings)
    if campaign.receiver is not None:
        told = zip(orders, jobs, strict=True)
        ends = {job["jobId"]: job["status"] for order, job in told if "webhook_url" in order.body}
        findings.violations += campaign.receiver.complaints(ends, started + campaign.round_seconds)
        findings.deliveries = campaign.receiver.deliveries
    findings.rounds += 1
    findings.slowest_round_seconds = max(findings.slowest_round_seconds, time.monotonic() - started)


@dataclass(frozen=True, slots=True)
class _Order:
    key: str
    body: dict[str, Any]
    cancelled: bool


@dataclass(frozen=True, slots=True)
class _Accepted:
    job_id: str
    price_credits: Decimal  # of one image, as the submit's answer says


def _order(number: int, index: int, chance: random.Random, receiver: Receiver | None) -> _Order:
    body = {
        "prompt": f"round {number}, picture {index}",
        "model": chance.choice(["flux-dev", "flux-schnell"]),
        "width": 256,
        "height": 256,
        "num_inference_steps": chance.randint(1, 4),
        "num_outputs": chance.choice([1, 1, 1, 2]),
        "seed": chance.randrange(2**32),
    }
    if receiver is not None and index % 2:
        body["webhook_url"] = receiver.url
    return _Order(f"{number}-{index}-{chance.getrandbits(64):x}", body, cancelled=chance.random() < 0.1)


def _spans(job: dict[str, Any], moment: datetime) -> bool:
    """Whether the job had been taken in by then, and had not ended."""
    begun, ended = job["createdAt"], job.get("completedAt")
    return datetime.fromisoformat(begun) <= moment and (ended is None or moment < datetime.fromisoformat(ended))


def _judge(
    orders: list[_Order], accepted: list[_Accepted], jobs: list[dict[str, Any]], client: _Client, findings: Findings
) -> None:
    findings.accepted += len(accepted)
    if len({one.job_id for one in accepted}) != len(accepted):
        findings.violations.append("two submits with different keys share a job")
    for order, one, job in zip(orders, accepted, jobs, strict=True):
        findings.states[job["status"]] += 1
        urls = job.get("output", {}).get("images", [])
        if job["status"] not in SETTLED:
            findings.violations.append(f"{job['jobId']} did not end: {job['status']}")
        if job["status"] == "failed":
            findings.violations.append(f"{job['jobId']} failed: {job['error']}")
        if job["status"] == "completed" and len(urls) != order.body["num_outputs"]:
            findings.violations.append(f"{job['jobId']} lists {len(urls)} images of {order.body['num_outputs']}")
        for url in urls:
            findings.images += 1
            if not client.is_picture(url):
                findings.violations.append(f"{job['jobId']}: a listed image is missing: {url}")
        cost = Decimal(str(job["creditCost"]))
        if job["status"] in SETTLED and cost != one.price_credits * len(urls):
            findings.violations.append(
                f"{job['jobId']} is charged {cost} for {len(urls)} images of {one.price_credits}"
            )
        findings.charged_credits += cost


def _judge_money(target: Target, client: _Client, findings: Findings) -> None:
    reconciled = target.command("reconcile")
    if reconciled.returncode != 0:
        findings.violations.append(f"reconcile: {reconciled.stdout}{reconciled.stderr}")
    credits = client.get("/api/v1/credits", time.monotonic() + 60)
    left = Decimal(str(credits["balance"]))
    if left + findings.charged_credits != CREDITS or credits["held"] != 0:
        findings.violations.append(f"{CREDITS} credits granted, {findings.charged_credits} charged, but {credits}")


class _Client:
    """A caller that retries like a good one: same idempotency key until an answer comes, each time elsewhere."""

    def __init__(self, urls: Sequence[str], key: str) -> None:
        self._client = httpx2.Client(headers={"Authorization": f"Bearer {key}"}, timeout=10)
        self._urls = cycle(urls)

    def close(self) -> None:
        self._client.close()

    def submit(self, order: _Order, arrival: float, deadline: float) -> _Accepted:
        """Wait for the moment of arrival, then submit until it is accepted."""
        time.sleep(max(0.0, arrival - time.monotonic()))
        headers = {"Idempotency-Key": order.key}
        answer = self._patiently("POST", "/api/v1/models/flux/run", deadline, json=order.body, headers=headers)
        answer.raise_for_status()
        return _Accepted(answer.json()["jobId"], Decimal(str(answer.json()["creditCost"])) / order.body["num_outputs"])

    def cancel(self, job_id: str, deadline: float) -> None:
        self._patiently("DELETE", f"/api/v1/jobs/{job_id}", deadline)

    def get(self, path: str, deadline: float) -> dict[str, Any]:
        answer = self._patiently("GET", path, deadline)
        answer.raise_for_status()
        return dict(answer.json())

    def wait(self, job_id: str, deadline: float) -> dict[str, Any]:
        """The job when it has ended, or as it stands at the deadline."""
        while True:
            job = self.get(f"/api/v1/jobs/{job_id}", deadline)
            if job["status"] in SETTLED or time.monotonic() > deadline:
                return job
            time.sleep(0.1)

    def is_picture(self, url: str) -> bool:
        answer = self._patiently("GET", url, time.monotonic() + 60)
        if answer.status_code != 200:
            return False
        with Image.open(io.BytesIO(answer.content)) as picture:
            picture.load()
            return picture.size == (256, 256)

    def _patiently(self, method: str, path: str, deadline: float, **request: Any) -> httpx2.Response:
        while True:
            url = path if path.startswith("http") else next(self._urls) + path
            try:
                answer = self._client.request(method, url, **request)
            except httpx2.TransportError:
                if time.monotonic() > deadline:
                    raise
            else:
                if answer.status_code != _UNAVAILABLE or time.monotonic() > deadline:
                    return answer
            time.sleep(0.05)
