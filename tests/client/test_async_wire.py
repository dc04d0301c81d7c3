"""What a client does when the way to the server is bad."""

from __future__ import annotations

import pytest

from fluxhouse import AsyncClient
from fluxhouse.client import (
    ConnectionFailed,
    InvalidRequest,
    RateLimited,
    Retry,
    ServerError,
    Timeout,
)

RUN = "/run"


@pytest.fixture
def pauses(monkeypatch) -> list[float]:
    """The pauses between attempts, none of which is made."""
    made: list[float] = []

    async def note(seconds: float) -> None:
        made.append(seconds)

    monkeypatch.setattr("fluxhouse.client.async_wire.sleep", note)
    return made


async def test_a_submit_whose_answer_is_lost_is_one_job_and_one_charge(client, line, kit):
    """It is sent again with the same key and body, and the server says the same again."""
    line.lay(RUN, kit.unreachable, kit.answer_lost, kit.answer_lost)
    job = await client.run(kit.quick, "a fox", num_outputs=2)
    assert job.status == "completed"
    submits = [request for request in line.sent if request.url.path.endswith(RUN)]
    assert len(submits) == 4
    assert len({(request.headers["idempotency-key"], request.content) for request in submits}) == 1
    assert [found.id async for found in client.jobs()] == [job.id]
    assert (await client.credits()).balance == 98


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_what_passes_is_tried_again(client, line, kit, pauses, status):
    """Whether the server says so, or a gateway before it without a word."""
    line.lay(RUN, kit.answered(status), kit.answered(status, {"error": {"code": "any", "message": "Later."}}))
    assert (await client.submit(kit.quick, "a fox")).status == "pending"
    line.lay("/credits", kit.answered(status))
    assert (await client.credits()).balance == 100
    assert len(pauses) == 3


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_honoured(client, line, kit, pauses, status):
    """The pause is as long as the server asks for."""
    line.lay(RUN, kit.answered(status, Retry_After="7"))
    await client.submit(kit.quick, "a fox")
    assert pauses == [7.0]


async def test_a_retry_after_that_takes_too_long_is_raised_at_once(client, line, kit, pauses):
    """The caller learns how long it would be."""
    line.lay(RUN, kit.answered(429, {"error": {"code": "rate_limited", "message": "Slowly."}}, Retry_After="60"))
    with pytest.raises(RateLimited, match=r"Slowly\.") as raised:
        await client.submit(kit.quick, "a fox")
    assert (raised.value.retry_after, pauses) == (60.0, [])


@pytest.mark.parametrize(("status", "kind"), [(400, InvalidRequest), (500, ServerError), (308, ServerError)])
async def test_what_does_not_pass_is_raised_at_once(client, line, kit, status, kind):
    """The same request would be answered the same."""
    line.lay(RUN, kit.answered(status))
    with pytest.raises(kind, match=f"http_{status}"):
        await client.submit(kit.quick, "a fox")
    assert len(line.sent) == 1


async def test_a_host_that_cannot_be_reached_is_given_up(client, line, kit, pauses):
    """After as many attempts as were allowed, with longer and longer pauses."""
    line.lay("/credits", *[kit.unreachable] * 5)
    with pytest.raises(ConnectionFailed, match=r"127\.0\.0\.1: ConnectError refused"):
        await client.credits()
    assert len(line.sent) == 5
    assert [low <= pause <= 2 * low for pause, low in zip(pauses, (0.005, 0.01, 0.02, 0.025), strict=True)] == [
        True
    ] * 4


async def test_a_silent_server_is_a_timeout(client, line, kit, pauses):
    """Each attempt waited in vain."""
    line.lay("/credits", *[kit.silent] * 5)
    with pytest.raises(Timeout):
        await client.credits()


async def test_an_attempt_waits_no_longer_than_it_may(kit, deaf):
    """A server that takes the connection and never answers."""
    retry = Retry(attempts=2, first_seconds=0.01)
    async with AsyncClient("fh_key", deaf, timeout=0.1, retry=retry) as client:
        with pytest.raises(Timeout, match="ReadTimeout"):
            await client.credits()


@pytest.mark.parametrize("body", [[], {}, {"jobId": 1}, "text"])
async def test_an_answer_of_something_else_is_an_error(client, line, kit, body):
    """Success that is not the API's own is no success."""
    line.lay(RUN, kit.answered(200, body))
    with pytest.raises(ServerError, match="unexpected_answer"):
        await client.submit(kit.quick, "a fox")


async def test_a_cancel_whose_answer_is_lost_is_a_cancel(client, line, kit):
    """That the job has ended already is what was asked for."""
    jobs = [await client.submit(kit.slow, f"fox {number}", num_outputs=4) for number in range(6)]
    line.lay(jobs[-1].id, kit.answer_lost)
    assert (await client.cancel(jobs[-1])).status == "cancelled"
    for job in jobs[:-1]:
        await client.cancel(job)


async def test_a_download_follows_a_redirect_without_the_key(client, line, kit):
    """Another host that keeps the bytes is shown no key."""
    job = await client.run(kit.quick, "a fox")
    line.lay(".png", kit.answered(307, Location="http://bucket.test/elsewhere.bin"))
    line.lay("/elsewhere.bin", kit.answered(200, "the bytes"))
    assert await job.images[0].read() == b'"the bytes"'
    assert (line.sent[-1].url.host, "authorization" in line.sent[-1].headers) == ("bucket.test", False)


async def test_an_api_that_redirects_is_not_followed(client, line, kit):
    """The key stays where it was meant to go."""
    line.lay("/credits", kit.answered(307, Location="http://elsewhere.test/api/v1/credits"))
    with pytest.raises(ServerError, match="http_307"):
        await client.credits()
    assert len(line.sent) == 1
