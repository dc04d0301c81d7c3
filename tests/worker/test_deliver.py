"""Webhooks reach real receivers: signed, retried, one per message id, and nobody waits for somebody else's receiver."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import ip_network

import pytest
from standardwebhooks.webhooks import Webhook as Verifier
from structlog.testing import capture_logs

from fluxhouse.core import accounts, jobs, settle, webhook_secrets, webhooks
from fluxhouse.core.bell import Bell
from fluxhouse.core.signing import spelled_secret
from fluxhouse.core.webhooks import RETRY_SECONDS, WebhookState
from fluxhouse.engine.testcard import TestCard
from fluxhouse.generation.errors import OutOfMemory
from fluxhouse.storage.fetch import Fetcher
from fluxhouse.worker.deliver import Deliverer, DeliverOptions, Telling, enveloped

PEPPER = b"pepper"
LOOPBACK = [ip_network("127.0.0.0/8")]
QUICK = {"period_seconds": 0.02, "seconds": 2.0, "grace_seconds": 0.2}


class Receiver:
    """An HTTP server that notes what it is sent and answers the statuses it was given, the last one for ever.

    A status of None is no answer at all; `released` lets go whoever waits for one.
    """

    def __init__(self, *statuses):
        self.statuses = list(statuses) or [200]
        self.got = []
        self.arrived = asyncio.Event()
        self.released = asyncio.Event()
        self.port = 0

    @property
    def ids(self):
        return [headers["webhook-id"] for headers, _ in self.got]

    def url(self, host="127.0.0.1"):
        return f"http://{host}:{self.port}/hook"

    async def until(self, count, seconds=10):
        async with asyncio.timeout(seconds):
            while len(self.got) < count:
                self.arrived.clear()
                await self.arrived.wait()

    async def _answer(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers["content-length"]))
        self.got.append((headers, body))
        self.arrived.set()
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        try:
            if status is None:
                await self.released.wait()
                return
            location = "Location: /elsewhere\r\n" if 300 <= status < 400 else ""
            writer.write(f"HTTP/1.1 {status} Said\r\n{location}Content-Length: 0\r\n\r\n".encode())
            await writer.drain()
        finally:
            writer.close()


@asynccontextmanager
async def receiving(*statuses):
    receiver = Receiver(*statuses)
    listener = await asyncio.start_server(receiver._answer, "127.0.0.1", 0)
    receiver.port = listener.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        receiver.released.set()
        listener.close()


@pytest.fixture
def stage(stage_with):
    return stage_with(TestCard())


@pytest.fixture
async def delivering(stage):
    """Starts deliverers on the stage; each ends with the test, or when told to."""
    running = []

    async def start(allow=LOOPBACK, **options):
        fetcher = Fetcher(allow)
        tellings = {"native": Telling(enveloped(lambda job: {"jobId": job.id, "prompt": job.request.prompt}))}
        deliverer = Deliverer(
            stage.database, fetcher, tellings, PEPPER, Bell(), stage.clock, DeliverOptions(**QUICK | options)
        )
        running.append((deliverer, fetcher, asyncio.create_task(deliverer.run())))
        return deliverer

    yield start
    for deliverer, fetcher, task in running:
        await deliverer.stop()
        await task
        await fetcher.aclose()


async def ended(stage, url, verb=None, account_id=None):
    """A job that has just ended and whose webhook, the stage's account's or another's, goes to `url`."""
    job = await stage.submit("a fox é")

    def end(connection):
        now = stage.clock.now()
        webhooks.expect(connection, replace(job, account_id=account_id or job.account_id), url)
        if verb is None:
            return settle.cancelled(connection, job, settle.Outcome(), now)
        return verb(connection, jobs.get(connection, job.id), now)

    return await stage.database.write(end)


async def standing(stage, job, state=None, seconds=10):
    """The webhook of a job, once it stands so."""
    async with asyncio.timeout(seconds):
        while True:
            webhook = await stage.database.read(lambda c: webhooks.of_job(c, job.id))
            if state is None or webhook.state is state:
                return webhook
            await asyncio.sleep(0.01)


async def attempts(stage, job, count=0, seconds=10):
    """The delivery log, once it has so many lines."""
    async with asyncio.timeout(seconds):
        while len(lines := await stage.database.read(lambda c: webhooks.attempts(c, job.id))) < count:  # noqa: ASYNC110  The rows are what is asked about.
            await asyncio.sleep(0.01)
    return lines


def at_wall_time(stage):
    """Set the stage's clock to the present, where a verifier looks at its own."""
    stage.clock.time = datetime.now().astimezone()


async def test_a_message_is_signed_and_says_how_the_job_ended(stage, delivering):
    """The vendor's library verifies it; type, moment and the job in its dialect's words are inside."""
    at_wall_time(stage)
    async with receiving(200) as receiver:
        job = await ended(stage, receiver.url())
        await delivering()
        await standing(stage, job, WebhookState.DELIVERED)
    ((headers, body),) = receiver.got
    (secret,) = await stage.database.read(lambda c: webhook_secrets.valid(c, job.account_id, PEPPER, stage.clock.now()))
    message = Verifier(spelled_secret(secret.secret)).verify(body.decode(), headers)
    assert message["type"] == "job.cancelled"
    assert datetime.fromisoformat(message["timestamp"]) == job.finished_at
    assert message["data"] == {"jobId": job.id, "prompt": "a fox é"}
    assert (headers["content-type"], headers["webhook-id"]) == ("application/json", f"msg_{job.id}")
    assert "authorization" not in headers


async def test_a_failed_job_says_so(stage, delivering):
    """The type is the end's own."""
    async with receiving(200) as receiver:
        await ended(stage, receiver.url(), lambda c, job, now: settle.fail(c, job, OutOfMemory(), now))
        await delivering()
        await receiver.until(1)
    assert json.loads(receiver.got[0][1])["type"] == "job.failed"


async def test_during_a_rotation_both_secrets_verify(stage, delivering):
    """A receiver may change over at any moment of the day."""
    at_wall_time(stage)
    both = await stage.database.write(
        lambda c: webhook_secrets.rotate(c, stage.caller.account, PEPPER, stage.clock.now())
    )
    async with receiving(200) as receiver:
        await ended(stage, receiver.url())
        await delivering()
        await receiver.until(1)
    ((headers, body),) = receiver.got
    assert len(both) == 2
    for entry in both:
        assert Verifier(spelled_secret(entry.secret)).verify(body.decode(), headers)


async def test_a_failing_receiver_is_asked_again_until_it_answers(stage, delivering):
    """Each attempt waits its pause and stands in the log; the message keeps its id; success ends it."""
    async with receiving(500, 302, 404, 204) as receiver:
        job = await ended(stage, receiver.url())
        await delivering()
        for number in (1, 2, 3):
            await attempts(stage, job, number)
            await asyncio.sleep(0.1)
            assert len(receiver.got) == number
            stage.clock.pass_by(seconds=RETRY_SECONDS[number - 1] * 1.2 + 3)
        await standing(stage, job, WebhookState.DELIVERED)
    log = await attempts(stage, job)
    assert [line.sent.status for line in log] == [500, 302, 404, 204]
    assert [line.number for line in log] == [1, 2, 3, 4]
    for line, pause in zip(log, RETRY_SECONDS, strict=False):
        if line.next_at is not None:
            passed = (line.next_at - line.sent.at).total_seconds()
            assert pause <= passed <= pause * 1.2 + 3
    assert set(receiver.ids) == {f"msg_{job.id}"}


async def test_each_attempt_has_a_timestamp_of_its_own(stage, delivering):
    """A retry hours later is not taken for a replayed recording."""
    async with receiving(500, 200) as receiver:
        job = await ended(stage, receiver.url())
        await delivering()
        await attempts(stage, job, 1)
        stage.clock.pass_by(hours=5)
        await receiver.until(2)
    first, second = (int(headers["webhook-timestamp"]) for headers, _ in receiver.got)
    assert second - first == 5 * 3600
    assert receiver.got[0][1] == receiver.got[1][1]


async def test_nobody_at_the_other_end_is_an_error_in_words(stage, delivering):
    """A closed port, an address that is not allowed and an answer that never comes are each told by name."""
    async with receiving(None) as silent:
        closed, inside, slow = [
            await ended(stage, url) for url in ("http://127.0.0.1:1/", "http://10.0.0.1/", silent.url())
        ]
        await delivering(seconds=0.2)
        lines = [(await attempts(stage, job, 1))[0] for job in (closed, inside, slow)]
    errors = [line.sent.error for line in lines]
    assert "could not be reached" in errors[0]
    assert "not public" in errors[1]
    assert "did not answer within 0.2 seconds" in errors[2]
    assert [line.sent.status for line in lines] == [None] * 3
    assert lines[2].sent.milliseconds >= 200


async def test_a_name_that_turns_inwards_after_submit_is_refused(stage, delivering):
    """What was public when the job came in is checked again at each attempt."""
    async with receiving(200) as receiver:
        job = await ended(stage, receiver.url("localhost"))
        await delivering(allow=[])
        (line,) = await attempts(stage, job, 1)
    assert "not public" in line.sent.error
    assert receiver.got == []


async def test_a_retry_survives_a_restart(stage, delivering):
    """What one process could not deliver the next one does, from the table, under the same id."""
    async with receiving(503, 200) as receiver:
        job = await ended(stage, receiver.url())
        first = await delivering()
        await attempts(stage, job, 1)
        await first.stop()
        stage.clock.pass_by(seconds=10)
        await asyncio.sleep(0.1)
        assert len(receiver.got) == 1
        await delivering()
        await standing(stage, job, WebhookState.DELIVERED)
    assert receiver.ids == [f"msg_{job.id}"] * 2


async def test_what_a_stop_breaks_off_is_sent_again_at_once(stage, delivering):
    """A message on its way when the process ends is not lost and waits for nothing."""
    async with receiving(None, 200) as receiver:
        job = await ended(stage, receiver.url())
        first = await delivering(grace_seconds=0.05)
        await receiver.until(1)
        await first.stop()
        await delivering()
        await standing(stage, job, WebhookState.DELIVERED)
    assert len(await attempts(stage, job)) == 1
    assert len(receiver.got) == 2


async def test_what_a_kill_breaks_off_is_sent_again_after_its_lease(stage, delivering):
    """Whoever took an attempt and died gave nothing back: a minute later it is due again."""
    async with receiving(200) as receiver:
        job = await ended(stage, receiver.url())
        now = stage.clock.now()
        await stage.database.write(lambda c: webhooks.take(c, webhooks.due(c, now, 10), now + DeliverOptions().lease))
        await delivering()
        await asyncio.sleep(0.1)
        assert receiver.got == []
        stage.clock.pass_by(seconds=61)
        await standing(stage, job, WebhookState.DELIVERED)


async def test_two_processes_send_a_message_once(stage, delivering):
    """Each attempt is taken by one of them."""
    async with receiving(200) as receiver:
        ends = [await ended(stage, receiver.url()) for _ in range(20)]
        await asyncio.gather(delivering(), delivering())
        for job in ends:
            await standing(stage, job, WebhookState.DELIVERED)
    assert sorted(receiver.ids) == sorted(f"msg_{job.id}" for job in ends)


async def test_a_slow_receiver_does_not_delay_others(stage, delivering):
    """However many messages wait for a host that never answers, it holds its few and another host gets its own."""
    async with receiving(None) as slow, receiving(200) as quick:
        for _ in range(30):
            await ended(stage, slow.url("127.0.0.2"))
        stage.clock.pass_by(seconds=1)
        last = await ended(stage, quick.url("127.0.0.1"))
        slow_listener = await asyncio.start_server(slow._answer, "127.0.0.2", slow.port)
        await delivering(seconds=30, at_once=8, per_host=2, per_account=6)
        try:
            await standing(stage, last, WebhookState.DELIVERED, seconds=10)
            await slow.until(2)
            assert len(slow.got) == 2
        finally:
            slow_listener.close()


async def test_an_account_with_many_hosts_holds_its_share_alone(stage, delivering):
    """Names without number, all of them slow, take one account's places; another account's message goes by."""
    other = await stage.database.write(lambda c: accounts.create(c, "other", stage.clock.now()))
    async with receiving(None) as slow, receiving(200) as quick:
        for number in range(2, 10):
            await ended(stage, f"http://127.0.0.{number}:{slow.port}/")
        stage.clock.pass_by(seconds=1)
        last = await ended(stage, quick.url(), account_id=other.id)
        listeners = [await asyncio.start_server(slow._answer, f"127.0.0.{n}", slow.port) for n in range(2, 10)]
        await delivering(seconds=30, at_once=4, per_account=3)
        await standing(stage, last, WebhookState.DELIVERED, seconds=10)
        await slow.until(3)
        assert len(slow.got) == 3
        for listener in listeners:
            listener.close()


async def test_messages_come_in_the_order_in_which_they_fell_due(stage, delivering):
    """To a receiver that answers, the oldest goes first; the moment inside says what came before what."""
    async with receiving(200) as receiver:
        ends = []
        for _ in range(5):
            ends.append(await ended(stage, receiver.url()))
            stage.clock.pass_by(seconds=1)
        await delivering(per_host=1)
        await receiver.until(5)
    assert receiver.ids == [f"msg_{job.id}" for job in ends]
    moments = [json.loads(body)["timestamp"] for _, body in receiver.got]
    assert moments == sorted(moments)


async def test_no_url_is_logged(stage, delivering):
    """A URL may hold a secret of its own: the log has the job, the status and the time it took."""
    with capture_logs() as logs:
        async with receiving(200) as receiver:
            job = await ended(stage, f"{receiver.url()}?token=canary")
            await delivering()
            await standing(stage, job, WebhookState.DELIVERED)
            await asyncio.sleep(0.05)
    assert [line["event"] for line in logs] == ["webhook_attempted"]
    assert "canary" not in str(logs)
    assert "127.0.0.1" not in str(logs)


async def test_a_database_that_fails_for_a_while_ends_no_deliveries(stage, delivering, monkeypatch):
    """A read that fails is logged and made again."""
    real, fails = stage.database.read, [True]

    async def read(query):
        if fails.pop() if fails else False:
            raise OSError("the disk is full")
        return await real(query)

    monkeypatch.setattr(stage.database, "read", read)
    with capture_logs() as logs:
        async with receiving(200) as receiver:
            await ended(stage, receiver.url())
            await delivering()
            await receiver.until(1)
    assert "webhooks_not_read" in {line["event"] for line in logs}


async def test_the_bell_wakes_at_once(stage):
    """A job that ends is told without waiting for the next look at the table."""
    bell, fetcher = Bell(), Fetcher(LOOPBACK)
    options = DeliverOptions(**QUICK | {"period_seconds": 60})
    deliverer = Deliverer(
        stage.database, fetcher, {"native": Telling(lambda _: {})}, PEPPER, bell, stage.clock, options
    )
    running = asyncio.create_task(deliverer.run())
    async with receiving(200) as receiver:
        await asyncio.sleep(0.1)
        await ended(stage, receiver.url())
        bell.ring()
        await receiver.until(1, seconds=2)
    await deliverer.stop()
    await running
    await fetcher.aclose()
    assert timedelta(seconds=options.seconds) < options.lease
