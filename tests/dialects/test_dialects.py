"""What moderation withholds is answered in every dialect's own way, and what each lets a caller say about it holds."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from fluxhouse.assembly.parts import tellings
from fluxhouse.core import jobs
from fluxhouse.core.model_terms import Offer
from fluxhouse.core.reconcile import reconcile
from fluxhouse.dialects.mcp import answers
from fluxhouse.engine.testcard import TestCard
from fluxhouse.generation.backend import Progress, Serving
from fluxhouse.generation.image import MadeImage
from fluxhouse.generation.moderation import Moderation, threshold
from fluxhouse.generation.request import GenerationRequest

SAFE, UNSAFE = 2, 3
SCORES = (0.02, 0.6)  # of pictures with an even and with an odd seed
FAL_SIZE = {"width": 256, "height": 256}


class Checked(TestCard):
    """Test cards of which those with an odd seed are unsafe."""

    async def generate(self, request: GenerationRequest, inputs: Sequence[Path]) -> AsyncGenerator[Progress, None]:
        async for event in super().generate(request, inputs):
            unsafe = isinstance(event, MadeImage) and request.tolerance is not None
            if unsafe and SCORES[event.seed % 2] >= threshold(request.tolerance):
                file = io.BytesIO()
                Image.new("RGB", (request.width, request.height)).save(file, "PNG")
                event = replace(event, content=file.getvalue(), nsfw=True, withheld=True)
            yield event


def looked_at(house, moderation):
    """The house with somebody who moderates every model."""
    door = house.platform.door
    serving = {model.id: Serving("checked", 4, 3.5, moderation) for model in door.catalog.models}
    door.options = replace(door.options, serving=Offer(door.catalog, serving))
    return house


@pytest.fixture
async def checked(build):
    """A house whose every picture a checker looks at, and whose books are right in the end."""
    house = looked_at(await build(Checked()), Moderation.CHECKER)
    house.balance = 100
    yield house
    assert await house.platform.database.read(reconcile) == []


async def spent(house):
    """Credits since the last time that somebody asked."""
    before, house.balance = house.balance, (await house.credits())["balance"]
    return before - house.balance


def is_black(content):
    return Image.open(io.BytesIO(content)).convert("RGB").getextrema() == ((0, 0),) * 3


async def test_natively_a_black_picture_is_flagged_and_free(checked):
    """One of two is charged; where all are withheld the job has failed, and who wants the picture itself is told so."""
    body = {"prompt": "a", "width": 256, "height": 256, "seed": SAFE, "num_outputs": 2}
    job = await checked.done(body)
    assert [asset["hasNsfwConcepts"] for asset in job["assets"]] == [False, True]
    assert (job["status"], job["creditCost"], await spent(checked)) == ("completed", 1, 1)
    black = [is_black((await checked.get(url)).content) for url in job["output"]["images"]]
    assert black == [False, True]
    job = await checked.done(body | {"num_outputs": 1, "seed": UNSAFE})
    assert (job["status"], job["error"]["code"], job["error"]["retryable"]) == ("failed", "content_moderated", False)
    assert [asset["hasNsfwConcepts"] for asset in job["assets"]] == [True]
    refused = await checked.run(body | {"num_outputs": 1, "seed": UNSAFE}, Prefer="wait", Accept="image/png")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "content_moderated")
    picture = await checked.run(body | {"seed": UNSAFE}, Prefer="wait", Accept="image/png")
    assert (picture.status_code, is_black(picture.content)) == (200, False)
    assert await spent(checked) == 1


async def test_a_tool_shows_what_is_left_and_says_what_is_not(checked):
    """A language model is told in words."""
    body = {"prompt": "a", "width": 256, "height": 256, "seed": SAFE, "num_outputs": 2}
    job_id = (await checked.done(body))["jobId"].removeprefix("job_")
    door = checked.platform.door
    told = await answers.told(door, await checked.platform.database.read(lambda c: jobs.get(c, job_id)))
    assert (len(told.pictures), told.facts["seeds"], told.facts["credits"]) == (1, [SAFE], 1)
    assert "1 more looked unsafe" in told.text


async def test_fal_and_pixazo_show_black_pictures_flagged(checked):
    """A result, also where all are withheld, and in Pixazo's other generation; free."""
    for seed, flags in ((SAFE, [False, True]), (UNSAFE, [True])):
        body = {"prompt": "a", "image_size": FAL_SIZE, "seed": seed, "num_images": len(flags), "output_format": "png"}
        answer = await checked.client.post(
            "/fal/run/fal-ai/flux/dev", json=body, headers={"Authorization": f"Key {checked.key}"}
        )
        assert (answer.status_code, answer.json()["has_nsfw_concepts"]) == (200, flags)
        black = [is_black((await checked.get(image["url"])).content) for image in answer.json()["images"]]
        assert black == flags
        assert await spent(checked) == flags.count(False)
        body |= {"image_size": "square"}
        key = {"Ocp-Apim-Subscription-Key": checked.key}
        sent = await checked.client.post("/flux-dev/v1/dev/textToImage", json=body, headers=key)
        request_id = sent.json()["request_id"]
        job = await checked.platform.door.wait(request_id.replace("-", ""), 30)
        assert job.state.terminal
        polled = await checked.client.post(
            "/flux-dev-polling/dev/getFluxDevStatus", json={"request_id": request_id}, headers=key
        )
        assert (polled.status_code, polled.json()["has_nsfw_concepts"]) == (200, flags)
        envelope = (await checked.client.get(f"/v2/requests/status/{request_id}", headers=key)).json()
        assert (envelope["status"], envelope["error"]) == ("COMPLETED", None)
        assert len(envelope["output"]["media_url"]) == len(flags)
        assert await spent(checked) == flags.count(False)


async def test_a_webhook_says_the_same_as_polling(checked):
    """Of a job all of whose pictures are withheld, in the words of each dialect that has webhooks."""
    body = {"prompt": "a", "width": 256, "height": 256, "seed": UNSAFE}
    job_id = (await checked.done(body))["jobId"].removeprefix("job_")
    job = await checked.platform.database.read(lambda c: jobs.get(c, job_id))
    spoken = {"fal": {"endpoint": "fal-ai/flux/dev", "sync_mode": False}}
    told = {
        dialect: telling.render(replace(job, terms=jobs.Terms(remarks=spoken.get(dialect, {}))))
        for dialect, telling in tellings(checked.platform.door).items()
    }
    assert {dialect: message.get("type") or message["status"] for dialect, message in told.items()} == {
        "native": "job.failed",
        "pixazo": "job.completed",
        "replicate": "failed",
        "bfl": "Content Moderated",
        "fal": "OK",
    }
    assert (told["pixazo"]["data"]["status"], told["fal"]["payload"]["has_nsfw_concepts"]) == ("COMPLETED", [True])


async def test_replicate_leaves_them_out(checked):
    """A prediction all of whose pictures are withheld has failed in the vendor's words, by which clients know it."""
    body = {"input": {"prompt": "a", "seed": SAFE, "num_outputs": 2, "megapixels": "0.25"}}
    path = "/v1/models/black-forest-labs/flux-dev/predictions"
    made = (await checked.client.post(path, json=body, headers={"Prefer": "wait"})).json()
    assert (made["status"], len(made["output"]), made["metrics"]["image_count"]) == ("succeeded", 1, 1)
    assert await spent(checked) == 1
    body["input"] |= {"seed": UNSAFE, "num_outputs": 1}
    failed = (await checked.client.post(path, json=body, headers={"Prefer": "wait"})).json()
    assert (failed["status"], failed["output"]) == ("failed", None)
    assert failed["error"].startswith("NSFW content detected")
    stream = (await checked.get(failed["urls"]["stream"])).text
    assert ("NSFW content detected" in stream, "event: output" in stream) == (True, False)
    assert await spent(checked) == 0


async def test_openai_leaves_them_out(checked):
    """A request without any picture left is blocked, streamed or not."""
    body = {"model": "flux-dev", "prompt": "a", "size": "256x256", "seed": SAFE, "n": 2}
    made = (await checked.client.post("/v1/images/generations", json=body)).json()
    assert (len(made["data"]), made["usage"]["output_tokens"], await spent(checked)) == (1, 256, 1)
    body |= {"seed": UNSAFE, "n": 1}
    refused = await checked.client.post("/v1/images/generations", json=body)
    error = refused.json()["error"]
    assert (refused.status_code, error["type"], error["code"]) == (
        400,
        "image_generation_user_error",
        "moderation_blocked",
    )
    streamed = (await checked.client.post("/v1/images/generations", json=body | {"stream": True})).text
    assert "moderation_blocked" in streamed
    assert await spent(checked) == 0


async def test_bfl_has_a_state_for_it(checked):
    """`Content Moderated`, without a result."""
    body = {"prompt": "a", "width": 256, "height": 256, "seed": UNSAFE}
    sent = await checked.client.post("/bfl/v1/flux-dev", json=body, headers={"x-key": checked.key})
    await checked.platform.door.wait(sent.json()["id"].replace("-", ""), 30)
    task = (await checked.get(sent.json()["polling_url"])).json()
    assert (task["status"], task["result"], task["details"]["code"]) == (
        "Content Moderated",
        None,
        "content_moderated",
    )
    assert await spent(checked) == 0


TOLERANCES = [
    ("/api/v1/models/flux-dev/run", {}, 5),
    ("/api/v1/models/flux-dev/run", {"safety_tolerance": 0}, 0),
    ("/api/v1/models/flux-kontext-pro/run", {}, 5),
    ("/fal/queue/fal-ai/flux/dev", {}, 5),
    ("/fal/queue/fal-ai/flux/dev", {"enable_safety_checker": True}, 5),
    ("/fal/queue/fal-ai/flux/dev", {"enable_safety_checker": False}, None),
    ("/fal/queue/fal-ai/flux-pro/v1.1", {}, 2),
    ("/fal/queue/fal-ai/flux-pro/v1.1", {"safety_tolerance": "6"}, 6),
    ("/flux-dev/v1/dev/textToImage", {}, 5),
    ("/flux-dev/v1/dev/textToImage", {"enable_safety_checker": False}, None),
    ("/v1/models/black-forest-labs/flux-dev/predictions", {}, 5),
    ("/v1/models/black-forest-labs/flux-dev/predictions", {"disable_safety_checker": True}, None),
    ("/v1/models/black-forest-labs/flux-1.1-pro/predictions", {}, 2),
    ("/v1/models/black-forest-labs/flux-kontext-pro/predictions", {"safety_tolerance": 1}, 1),
    ("/v1/images/generations", {"model": "flux-dev"}, 5),
    ("/v1/images/generations", {"model": "flux-dev", "moderation": "auto"}, 5),
    ("/v1/images/generations", {"model": "flux-dev", "moderation": "low"}, 6),
    ("/v1/images/generations", {"model": "flux-kontext-pro", "moderation": "low"}, 6),
    ("/v1/images/generations", {"model": "flux-dev", "moderation": "low", "safety_tolerance": 1}, 1),
    ("/bfl/v1/flux-dev", {}, 2),
    ("/bfl/v1/flux-kontext-pro", {"safety_tolerance": 0}, 0),
]


async def test_each_dialects_own_words_say_how_much_may_pass(build):
    """What it prints as default, its switch, and its scale, whichever model is asked."""
    house = looked_at(await build(works=False), Moderation.CHECKER)
    keys = {"Authorization": f"Bearer {house.key}", "x-key": house.key, "Ocp-Apim-Subscription-Key": house.key}
    fals = keys | {"Authorization": f"Key {house.key}"}
    requests = []
    for number, (path, said, _) in enumerate(TOLERANCES):
        body = {"prompt": str(number), **said}
        body = {"input": body} if path.endswith("/predictions") else body
        sent = house.client.post(path, json=body, headers=fals if path.startswith("/fal") else keys)
        requests.append(asyncio.create_task(sent))
    kept: list[jobs.Job] = []
    for _ in range(200):
        kept = await house.platform.database.read(jobs.open_jobs)
        if len(kept) == len(TOLERANCES):
            break
        await asyncio.sleep(0.02)
    found = {int(job.request.prompt): job.request.tolerance for job in kept}
    assert [(path, said, found[number]) for number, (path, said, _) in enumerate(TOLERANCES)] == TOLERANCES
    for request in requests:
        request.cancel()
    await asyncio.gather(*requests, return_exceptions=True)


@pytest.mark.parametrize(
    ("moderation", "kept"), [(Moderation.DISABLED, None), (Moderation.NONE, 5), (Moderation.PROVIDER, 5)]
)
async def test_where_no_checker_looks_no_tolerance_is_kept(build, moderation, kept):
    """Where the operator has switched it off, none looks though one were there."""
    house = looked_at(await build(works=False), moderation)
    await house.run({"prompt": "a", "safety_tolerance": 0}, "flux-dev")
    (job,) = await house.platform.database.read(jobs.open_jobs)
    assert job.request.tolerance == kept
