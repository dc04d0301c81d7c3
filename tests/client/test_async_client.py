"""The asynchronous client before a real installation."""

from __future__ import annotations

import asyncio
import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import httpx2
import pytest
from PIL import Image

from fluxhouse import AsyncClient
from fluxhouse.assembly import assemble
from fluxhouse.client import (
    AuthenticationError,
    Conflict,
    Gone,
    InsufficientCredits,
    InvalidRequest,
    JobCancelled,
    JobFailed,
    NotFound,
    PermissionDenied,
    RateLimited,
    ServerError,
)
from fluxhouse.core import accounts, keys, ledger
from fluxhouse.core.keys import Limits
from fluxhouse.engine.testcard import TestCard
from fluxhouse.settings import Settings


async def test_run_returns_the_completed_job_with_its_images(client, kit, tmp_path):
    """What comes back has every fact, and its pictures can be read and saved."""
    job = await client.run(kit.quick, "a fox in the snow", aspect_ratio="16:9", seed=7, num_outputs=2)
    assert (job.status, job.ended, job.model, job.prompt) == ("completed", True, kit.quick, "a fox in the snow")
    assert (job.served_by, job.credit_cost, job.error) == ("testcard", Decimal(2), None)
    assert job.created_at <= job.started_at <= job.completed_at < job.expires_at
    assert [image.seed for image in job.images] == [7, 8]
    first = job.images[0]
    path = await first.save(tmp_path / "fox.png")
    content = await client.download(first, tmp_path / "again.png")
    assert path.read_bytes() == await first.read() == content == (tmp_path / "again.png").read_bytes()
    assert Image.open(io.BytesIO(content)).size == (first.width, first.height)


async def test_submit_returns_at_once_and_the_job_is_found_again(client, kit):
    """A submit's answer is a job, and asking for its id shows it as it stands."""
    submitted = await client.submit(kit.quick, "a lighthouse", num_outputs=3)
    assert (submitted.status, submitted.credit_cost, submitted.credits_remaining) == ("pending", 3, 97)
    assert submitted.model == kit.quick
    ended = [event async for event in client.wait(submitted.id)][-1].job
    assert ended == await client.job(submitted.id)


async def test_a_parameter_called_model_is_the_models_own(client, kit):
    """The entrypoint's member is chosen by the parameter of that name."""
    assert (await client.run("flux", "a fox", model=kit.quick)).model == "flux"


async def test_an_idempotency_key_of_ones_own_names_one_job(client, kit):
    """Sent again it is the same job; with another request it is a conflict."""
    first = await client.submit(kit.quick, "a fox", idempotency_key="order-1")
    again = await client.submit(kit.quick, "a fox", idempotency_key="order-1")
    assert first.id == again.id
    with pytest.raises(Conflict, match="idempotency_mismatch"):
        await client.submit(kit.quick, "a bear", idempotency_key="order-1")


async def test_every_submit_has_a_key_of_its_own(client, line, kit):
    """Where the caller names none, two submits are two jobs."""
    first, second = await client.submit(kit.quick, "a fox"), await client.submit(kit.quick, "a fox")
    assert first.id != second.id
    keys_sent = [request.headers["idempotency-key"] for request in line.sent]
    assert len(set(keys_sent)) == 2
    assert min(map(len, keys_sent)) == 32


async def test_a_failed_job_is_raised_by_run_and_told_by_wait(client, kit):
    """`JobFailed` has the job and its reason; to wait for it raises nothing."""
    with pytest.raises(JobFailed, match="The brush broke") as raised:
        await client.run(kit.failing, "a fox")
    job = raised.value.job
    assert (raised.value.code, job.error.retryable, job.credit_cost) == ("generation_failed", True, 0)
    assert [event async for event in client.wait(job.id)][-1].job == job


async def test_cancelling_ends_a_job_once(client, kit):
    """A cancelled job is raised by `raise_for_failure`, and to cancel it again changes nothing."""
    job = await client.submit(kit.slow, "a fox", num_outputs=4)
    await client.cancel(job)
    ended = [event async for event in client.wait(job)][-1].job
    assert ended.status == "cancelled"
    with pytest.raises(JobCancelled):
        ended.raise_for_failure()
    assert (await client.cancel(job.id)).status == "cancelled"


async def test_a_completed_job_cannot_be_cancelled(client, kit):
    """It has ended otherwise, which is a conflict."""
    job = await client.run(kit.quick, "a fox")
    with pytest.raises(Conflict, match="job_already_ended"):
        await client.cancel(job)


async def test_jobs_are_paged_without_being_asked(client, line, kit, monkeypatch):
    """The iterator goes from page to page, and stops at its limit."""
    made = [(await client.submit(kit.quick, f"fox {number}")).id for number in range(5)]
    monkeypatch.setattr("fluxhouse.client.async_reads._PAGE", 2)
    assert [job.id async for job in client.jobs()] == made[::-1]
    assert line.paths()[-3:] == ["GET jobs"] * 3
    assert [job.id async for job in client.jobs(limit=3)] == made[:1:-1]
    assert [job async for job in client.jobs(limit=0)] == []


async def test_jobs_are_filtered(client, kit):
    """By status and by model."""
    done = await client.run(kit.quick, "a fox")
    with pytest.raises(JobFailed):
        await client.run(kit.failing, "a fox")
    assert [job.id async for job in client.jobs(status="completed")] == [done.id]
    assert [job.model async for job in client.jobs(model=kit.failing)] == [kit.failing]


@pytest.mark.parametrize("form", ["path", "text", "bytes", "file"])
async def test_a_picture_is_uploaded_and_used(client, kit, photo, tmp_path, form):
    """However it is given, it is a file that serves as an input image."""
    path = tmp_path / "photo.png"
    path.write_bytes(photo)
    given = {"path": path, "text": str(path), "bytes": photo, "file": io.BytesIO(photo)}[form]
    file = await client.upload(given)
    assert (file.width, file.height) == (64, 48)
    assert file.expires_at - file.created_at == timedelta(hours=24)
    job = await client.run(kit.quick, "the same at night", image_url=file, prompt_strength=0.5)
    assert job.status == "completed"


async def test_an_image_of_a_job_is_an_input_of_the_next(client, kit):
    """It is named by its address."""
    first = await client.run(kit.quick, "a fox")
    again = await client.run(kit.quick, "at night", image_url=first.images[0], prompt_strength=0.5)
    assert again.status == "completed"


async def test_a_picture_that_was_not_uploaded_is_refused_at_home(client, line, kit, photo, tmp_path):
    """Bytes and paths are no parameters; nothing is sent."""
    for given in (photo, tmp_path / "photo.png", io.BytesIO(photo)):
        with pytest.raises(TypeError, match="`image_url`: upload the picture first"):
            await client.run(kit.quick, "a fox", image_url=given)
    assert line.sent == []


async def test_the_catalog_is_read_without_a_key(installation, kit):
    """The list is short, one model is whole."""
    async with AsyncClient(url=installation.url) as client:
        listed = {model.id: model for model in await client.models()}
        model = await client.model(kit.quick)
    assert listed[kit.quick].available
    assert not listed[kit.unserved].available
    assert model.credits_per_image == listed[kit.quick].credits_per_image == 1
    assert model.aspect_ratios["1:1"] == (1024, 1024)
    assert "prompt" in model.request_schema["properties"]
    assert model.licence.gated


async def test_a_quote_holds_nothing(client, kit):
    """It tells the price, and the credits are as before."""
    before = await client.credits()
    quote = await client.quote(kit.quick, "a fox", num_outputs=4)
    assert (quote.credit_cost, quote.credits_per_image, quote.usd_cost) == (4, 1, Decimal("0.1"))
    assert (quote.width, quote.height) == (1024, 1024)
    assert await client.credits() == before
    assert (before.balance, before.held, before.available) == (100, 0, 100)


async def test_usage_tells_what_was_done_today(client, kit):
    """By day and model, within the days asked for."""
    await client.run(kit.quick, "a fox", num_outputs=2)
    (today,) = await client.usage(days=2)
    assert (today.model, today.requests, today.completed, today.images) == (kit.quick, 1, 1, 2)
    assert today.credit_cost == 2
    assert today.date in (datetime.now(UTC).date(), datetime.now(UTC).date() - timedelta(days=1))
    assert await client.usage(since=date(2020, 1, 1), until=date(2020, 1, 31)) == ()


async def test_refusals_are_typed(client, installation, kit):
    """Each has the server's code, its status, its field and the request's id."""
    with pytest.raises(InvalidRequest, match="num_outputs") as raised:
        await client.submit(kit.quick, "a fox", num_outputs=99)
    refused = raised.value
    assert (refused.code, refused.status, refused.field) == ("invalid_parameter", 400, "num_outputs")
    assert refused.request_id in str(refused)
    for call in (client.model("../credits"), client.job("job_none"), client.submit("no model", "a fox")):
        with pytest.raises(NotFound):
            await call
    async with AsyncClient("fh_wrong", installation.url) as stranger:
        with pytest.raises(AuthenticationError, match="invalid_api_key"):
            await stranger.credits()
    async with AsyncClient(installation.new_key(1), installation.url) as poor:
        with pytest.raises(InsufficientCredits) as short:
            await poor.run(kit.quick, "a fox", num_outputs=2)
        assert (short.value.credits_required, short.value.credits_available) == (2, 1)


async def test_limits_of_a_key_are_typed(installation, kit):
    """What it may not do, and how often."""
    reader = installation.new_key(limits=Limits(scopes=frozenset({"read"})))
    async with AsyncClient(reader, installation.url) as client:
        with pytest.raises(PermissionDenied):
            await client.submit(kit.quick, "a fox")
    hurried = installation.new_key(limits=Limits(rate_per_minute=1))
    patience = type(kit.eager)(total_seconds=0.5)
    async with AsyncClient(hurried, installation.url, retry=patience) as client:
        await client.submit(kit.quick, "a fox")
        with pytest.raises(RateLimited) as raised:
            await client.submit(kit.quick, "a fox")
    assert 0 < raised.value.retry_after <= 60


async def test_a_model_without_a_backend_is_not_tried_again(client, line, kit):
    """To wait would not give it one."""
    with pytest.raises(ServerError, match="model_unavailable"):
        await client.submit(kit.unserved, "a fox")
    assert len(line.sent) == 1


async def test_a_deleted_output_is_gone(client, installation, kit):
    """Its address says so."""
    job = await client.run(kit.quick, "a fox")
    door = installation.platform.door
    installation.do(door.remove_output(installation.do(door.any_job(job.id.removeprefix("job_")))))
    with pytest.raises(Gone):
        await job.images[0].read()
    assert (await client.job(job.id)).output_expired


async def test_the_key_goes_to_the_api_alone(client, line, kit):
    """An output's address carries its own permission, wherever it leads."""
    job = await client.run(kit.quick, "a fox")
    await job.images[0].read()
    assert "authorization" in line.sent[0].headers
    assert line.sent[-1].url.path.startswith("/outputs/")
    assert "authorization" not in line.sent[-1].headers


async def test_key_and_address_come_from_the_environment(installation, key, monkeypatch):
    """Where the caller gives none."""
    monkeypatch.setenv("FLUXHOUSE_API_KEY", key)
    monkeypatch.setenv("FLUXHOUSE_API_URL", f"{installation.url}/")
    async with AsyncClient() as client:
        assert (await client.credits()).balance == 100


def test_an_address_that_is_none_is_refused():
    """Before anything is sent."""
    with pytest.raises(ValueError, match="http"):
        AsyncClient("fh_key", "images.example.com")


async def test_run_gives_way_to_its_caller(client, kit):
    """A cancelled task stops listening; its job goes on to its end."""
    task = asyncio.create_task(client.run(kit.slow, "a fox", idempotency_key="mine"))
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await client.run(kit.slow, "a fox", idempotency_key="mine")).status == "completed"


async def test_an_application_in_this_process_is_a_transport(tmp_path):
    """The platform can be called without a socket."""
    platform = assemble(Settings(data=tmp_path, public_url="http://fluxhouse.test"), {"*": TestCard()})
    await platform.start()

    def made(connection):
        now = datetime.now(UTC)
        account = accounts.create(connection, "ada", now)
        ledger.grant(connection, account.id, 1_000_000, now, None)
        return keys.issue(connection, account.id, platform.door.options.pepper, now)[1]

    key = await platform.database.write(made)
    transport = httpx2.ASGITransport(app=platform.app)
    async with AsyncClient(key, "http://fluxhouse.test", transport=transport) as client:
        job = await client.run("flux-dev", "a fox")
        assert Image.open(io.BytesIO(await job.images[0].read())).format == "PNG"
    await platform.stop()
