"""A provider sends for each image once, goes on after a restart, and never guesses about what it paid for."""

import asyncio
import io
from contextlib import suppress

import pytest
from PIL import Image
from starlette.responses import JSONResponse, PlainTextResponse

from fluxhouse.generation.errand import ErrandState
from fluxhouse.generation.errors import (
    PromptRefused,
    ProviderFailed,
    ProviderRefused,
    ProviderSilent,
    ProviderUnavailable,
)
from fluxhouse.generation.request import GenerationRequest, Lora, OutputFormat
from fluxhouse.providers.breaker import Breaker

NAMES = ["replicate", "fal", "bfl", "openai"]
BUSY = {"detail": "slow down", "error": {"message": "slow down", "code": "rate_limit_exceeded"}}


@pytest.mark.parametrize("name", NAMES)
async def test_every_image_is_sent_for_once_with_its_own_seed(vendors, run, record, name):
    """Two images are two errands under two keys, and their cost is kept."""
    images = await run(vendors.provider(name), count=2)
    assert [(image.index, image.seed, image.width, image.content) for image in images] == [
        (0, 7, 64, vendors.image),
        (1, 8, 64, vendors.image),
    ]
    assert record.states == ["made", "made"]
    assert {headers["idempotency-key"] for _, headers, _ in vendors.submits} == {"key-0", "key-1"}
    assert "secret" in " ".join(str(headers) for _, headers, _ in vendors.submits)
    assert record.costs == {"bfl": [35_000] * 2, "openai": [0, 0]}.get(name, [25_000] * 2)


@pytest.mark.parametrize("name", ["replicate", "fal", "bfl"])
async def test_a_restart_goes_on_where_it_was(vendors, run, record, name):
    """What was accepted is asked after, not sent for again, and a vendor away for a moment is asked again."""
    vendors.looks = 10_000
    running = asyncio.create_task(run(vendors.provider(name)))
    async with asyncio.timeout(5):
        while not vendors.looked:  # noqa: ASYNC110  The vendor runs in another thread.
            await asyncio.sleep(0.01)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert record.states == ["accepted"]
    vendors.looks, vendors.away = 1, 2
    assert len(await run(vendors.provider(name))) == 1
    assert (len(vendors.submits), record.states, vendors.cancelled) == (1, ["made"], [])


async def stopped_while_sending(vendors, making):
    """Cancel it after the vendor has got the request and before it has answered."""
    running = asyncio.create_task(making)
    async with asyncio.timeout(5):
        while not vendors.submits:  # noqa: ASYNC110  The vendor runs in another thread.
            await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@pytest.mark.parametrize("name", ["replicate", "fal", "bfl"])
async def test_a_stop_in_the_midst_of_sending_keeps_the_receipt(vendors, run, record, name):
    """The answer is waited for, so that the image can be called off, or asked after by the next attempt."""
    vendors.thinks = 0.3
    await stopped_while_sending(vendors, run(vendors.provider(name)))
    assert record.states == ["accepted"]
    assert len(await run(vendors.provider(name))) == 1
    assert (len(vendors.submits), record.states) == (1, ["made"])


async def test_a_stop_in_the_midst_of_sending_keeps_a_refusal(vendors, run, record):
    """What was refused meanwhile may be sent again."""
    vendors.thinks, vendors.refusals = 0.3, [JSONResponse(BUSY, 422)]
    await stopped_while_sending(vendors, run(vendors.provider("replicate")))
    assert record.states == ["refused"]


async def test_a_stop_does_not_wait_for_ever(vendors, run, record, monkeypatch):
    """A vendor that does not answer in time is hung up on; one without receipts at once."""
    monkeypatch.setattr("fluxhouse.providers.provider._RECEIPT_SECONDS", 0.05)
    vendors.thinks = 2.0
    async with asyncio.timeout(1.5):
        await stopped_while_sending(vendors, run(vendors.provider("replicate")))
        monkeypatch.undo()
        vendors.submits.clear()
        await stopped_while_sending(vendors, run(vendors.provider("openai")))
    assert record.states == ["sending", "sending"]


async def test_a_refused_prompt_beside_others_drops_none_of_them(vendors, run, record):
    """Moderation may refuse one image of several; the others have been sent for, and how they end is kept."""
    vendors.refusals = [JSONResponse({"error": {"message": "no", "code": "moderation_blocked"}}, 400)]
    with pytest.raises(PromptRefused):
        await run(vendors.provider("openai", slots=1), count=3)
    assert sorted(record.states) == ["failed", "made", "made"]


@pytest.mark.parametrize("name", NAMES)
async def test_what_may_have_arrived_is_not_sent_again(vendors, run, record, name):
    """Without idempotency keys there the job fails, and the errand stays open for whoever looks."""
    vendors.lose = 1
    for _ in range(2):
        with pytest.raises(ProviderSilent) as silent:
            await run(vendors.provider(name))
        assert silent.value.charged
    assert (len(vendors.submits), record.states) == (1, ["sending"])


@pytest.mark.parametrize(
    "answer",
    [
        PlainTextResponse("upstream connect error", 503),
        JSONResponse({"message": "Service Unavailable"}, 503),
        JSONResponse({"status": 503, "error": "Service Unavailable"}, 503),
        JSONResponse({"error": {"message": "This process ends.", "code": "shutting_down"}}, 503),
    ],
    ids=["envoy", "aws", "spring", "still at work"],
)
async def test_a_503_that_is_not_the_vendors_no_may_have_arrived(vendors, run, record, answer):
    """A gateway that lost the connection does not know what the vendor behind it took in, so nothing is sent twice."""
    vendors.refusals = [answer]
    for _ in range(2):
        with pytest.raises(ProviderSilent):
            await run(vendors.provider("openai"))
    assert (len(vendors.submits), record.states) == (1, ["sending"])


@pytest.mark.parametrize("name", NAMES)
async def test_with_idempotency_keys_the_same_is_sent_again(vendors, run, record, name, tmp_path, drawn):
    """Same key, same bytes: what another Fluxhouse recognises."""
    (tmp_path / "in.png").write_bytes(drawn())
    model = {"model": "flux-kontext-pro"} if name == "bfl" else {}
    vendors.lose = 1
    with pytest.raises(ProviderUnavailable) as away:
        await run(vendors.provider(name, exact=True), tmp_path / "in.png", inputs=("in",), **model)
    assert away.value.charged
    await run(vendors.provider(name, exact=True), tmp_path / "in.png", inputs=("in",), **model)
    first, second = vendors.submits
    assert (first[0], first[1]["idempotency-key"], first[2]) == (second[0], second[1]["idempotency-key"], second[2])
    assert record.states == ["made"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (429, ProviderUnavailable),
        (503, ProviderUnavailable),
        (401, ProviderFailed),
        (402, ProviderFailed),
        (422, ProviderRefused),
    ],
)
async def test_refused_submits_cost_nothing(vendors, run, record, name, status, error):
    """Each is told in our words with the vendor's reason, and may be sent again later."""
    vendors.refusals = [JSONResponse(BUSY, status)]
    with pytest.raises(error, match="slow down") as failed:
        await run(vendors.provider(name))
    assert isinstance(failed.value, ProviderRefused) == (error is ProviderRefused)
    assert not failed.value.charged
    assert record.states == ["refused"]
    assert len(await run(vendors.provider(name))) == 1


async def test_a_vendor_that_is_not_there_is_unavailable(vendors, run, record):
    """Nothing was sent, so it may be tried elsewhere."""
    vendors.url = "http://127.0.0.1:9"
    with pytest.raises(ProviderUnavailable) as away:
        await run(vendors.provider("replicate"))
    assert (away.value.charged, record.states) == (False, ["refused"])


async def test_a_failure_beside_a_made_image_is_charged(vendors, run, record):
    """One image is there and paid for, so nobody else is asked behind the operator's back."""
    record.rows["replicate", 1] = [ErrandState.FAILED, {"id": "gone"}]
    with pytest.raises(ProviderFailed) as failed:
        await run(vendors.provider("replicate", exact=True), count=2)
    assert failed.value.charged
    assert record.states == ["made", "failed"]


@pytest.mark.parametrize("name", NAMES)
async def test_what_is_busy_for_one_image_is_waited_for_beside_another(vendors, run, record, name):
    """Nothing that was sent is dropped for it: the one is kept, and the other sent for until it is taken."""
    vendors.refusals = [JSONResponse(BUSY, 429)] * 3
    assert len(await run(vendors.provider(name, slots=1), count=4)) == 4
    assert (len(vendors.submits), record.states) == (7, ["made"] * 4)


async def test_the_breaker_keeps_a_vendor_that_fails_from_being_asked(vendors, run):
    """After some failures nothing is sent for a while; then one goes ahead, and its success lets all in again."""
    now = [0.0]
    breaker = Breaker("replicate", failures=2, seconds=30.0, clock=lambda: now[0])
    provider = vendors.provider("replicate", breaker)
    vendors.refusals = [JSONResponse(BUSY, 503)] * 2
    for _ in range(3):
        with pytest.raises(ProviderUnavailable):
            await run(provider)
    assert (len(vendors.submits), provider.is_open) == (2, True)
    now[0] = 29.0
    with pytest.raises(ProviderUnavailable):
        await run(provider)
    now[0] = 30.0  # To have been kept out did not make it longer.
    await run(provider)
    assert (len(vendors.submits), provider.is_open) == (3, False)


async def test_to_the_breaker_a_refusal_is_an_answer(vendors, run):
    """A vendor that refuses a request is at work: a failure before it and one after it are not two in a row."""
    provider = vendors.provider("replicate", Breaker("replicate", failures=2))
    vendors.refusals = [JSONResponse(BUSY, status) for status in (503, 422, 503)]
    for error in (ProviderUnavailable, ProviderRefused, ProviderUnavailable):
        with pytest.raises(error):
            await run(provider)
    assert (len(vendors.submits), provider.is_open) == (3, False)


async def test_no_more_are_in_the_making_than_there_are_slots(vendors, run):
    """The others wait; each is begun only when there is room."""
    vendors.looks = 3
    await run(vendors.provider("bfl", slots=1), count=3)
    assert [vendors.looked[f"task{n}"] for n in (1, 2, 3)] == [3, 3, 3]


async def test_a_picture_comes_as_it_was_asked_for(vendors, run, drawn):
    """Another size is brought to ours, another format is written anew."""
    vendors.image = drawn(100, 64, "JPEG")
    (image,) = await run(vendors.provider("fal"), format=OutputFormat.WEBP, width=48, height=32)
    with Image.open(io.BytesIO(image.content)) as shown:
        assert (shown.format, shown.size, image.content_type) == ("WEBP", (48, 32), "image/webp")
    assert (image.nsfw, image.withheld) == (True, True)


async def test_what_is_no_picture_fails(vendors, run):
    """A page of HTML with status 200 ends the job; it may have been paid for."""
    vendors.image = b"<html>"
    with pytest.raises(ProviderFailed, match="not a picture") as failed:
        await run(vendors.provider("replicate"))
    assert failed.value.charged


@pytest.mark.parametrize(
    "place", ["https://cdn.example/1.png", "no address", "/pictures/gone.png", "/pictures/secret.png"]
)
async def test_a_picture_that_is_gone_is_soon_given_up(vendors, run, record, place):
    """Its place is not held for the whole patience; what was made has been paid for."""
    vendors.moved, vendors.moves = vendors.url + place if place.startswith("/") else place, 10_000
    with pytest.raises(ProviderFailed) as failed:
        async with asyncio.timeout(3):
            await run(vendors.provider("replicate", gone_seconds=0.1))
    assert (type(failed.value), failed.value.charged) == (ProviderFailed, True)
    assert record.states == ["made"]


@pytest.mark.parametrize("name", ["replicate", "fal", "bfl"])
@pytest.mark.parametrize("place", ["https://cdn.example/1.png", "/pictures/gone.png"])
async def test_a_picture_that_has_moved_is_asked_after(vendors, run, record, name, place):
    """An address that has run out is replaced by the one that the vendor gives now."""
    vendors.moved, vendors.moves = vendors.url + place if place.startswith("/") else place, 2
    (image,) = await run(vendors.provider(name))
    assert (image.content, len(vendors.submits), record.states) == (vendors.image, 1, ["made"])


async def test_a_task_without_end_is_given_up(vendors, run, record):
    """After the operator's patience, and not before."""
    vendors.looks = 10_000
    with pytest.raises(ProviderFailed, match="in time"):
        await run(vendors.provider("replicate", patience_seconds=0.1))
    assert record.states == ["failed"]


@pytest.mark.parametrize("asked", [{"loras": (Lora("lora", 1.0),)}, {"negative_prompt": "fog", "true_guidance": 2.0}])
async def test_what_only_our_engine_makes_is_refused(vendors, run, asked):
    """No vendor is sent a file of ours, none has a negative prompt, and nothing is sent at all."""
    with pytest.raises(ProviderRefused) as refused:
        await run(vendors.provider("replicate"), **asked)
    assert (refused.value.field, vendors.submits) == (next(iter(asked)), [])


async def test_one_picture_from_the_command_line_keeps_no_record(vendors):
    """It is made all the same, under a key of its own."""
    provider = vendors.provider("replicate")
    request = GenerationRequest(model="flux-dev", prompt="a fox", width=64, height=64, seed=7)
    events = [event async for event in provider.generate(request, ())]
    await provider.aclose()
    assert [type(event).__name__ for event in events] == ["MadeImage", "Finished"]
    assert vendors.submits[0][1]["idempotency-key"].startswith("fluxhouse-")
