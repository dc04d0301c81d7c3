"""OpenAI's own Python SDK, unmodified and pointed here by its two settings, as the judge of this dialect."""

from __future__ import annotations

import base64
import io
import time

import httpx2
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from PIL import Image

from fluxhouse.core import jobs
from fluxhouse.core.job_search import Search, found
from fluxhouse.core.jobs import JobState
from fluxhouse.core.keys import Limits
from fluxhouse.dialects.openai.asking import Asking
from fluxhouse.dialects.openai.fields import GENERATIONS

SLOW, FAILING, UNSERVED = "flux-schnell", "flux-krea-dev", "flux-pro"
SMALL = {"prompt": "a red boat", "size": "256x256"}


@pytest.fixture(scope="module")
def client(live):
    with OpenAI(api_key=live.new_key(1000), base_url=f"{live.url}/v1", max_retries=0) as client:
        yield client


def opened(content):
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def decoded(text):
    return opened(base64.b64decode(text, validate=True))


def png(color="red", size=(64, 48)):
    file = io.BytesIO()
    Image.new("RGB", size, color).save(file, "PNG")
    return file.getvalue()


def hole(size=(64, 48)):
    """A mask whose left half is transparent."""
    mask = Image.new("RGBA", size, (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (0, 0, size[0] // 2, size[1]))
    file = io.BytesIO()
    mask.save(file, "PNG")
    return file.getvalue()


def job_of(live, answer):
    """The job behind a raw answer."""
    job_id = answer.headers["x-job-id"].removeprefix("job_")
    return live.do(live.platform.database.read(lambda connection: jobs.get(connection, job_id)))


def test_words_become_pictures(client):
    """Several outputs come as addresses on our host, each of the size asked for."""
    answer = client.images.generate(model="flux-dev", n=2, **SMALL)
    assert abs(answer.created - time.time()) < 60
    assert (answer.size, answer.output_format, answer.background) == ("256x256", "png", "opaque")
    assert [image.b64_json for image in answer.data] == [None, None]
    for image in answer.data:
        assert image.url.startswith(str(client.base_url).removesuffix("/v1/"))
        assert opened(httpx2.get(image.url).content).size == (256, 256)
    assert answer.data[0].url != answer.data[1].url


@pytest.mark.parametrize(
    ("asked", "kind"), [({}, "PNG"), ({"output_format": "jpeg"}, "JPEG"), ({"output_format": "webp"}, "WEBP")]
)
def test_pictures_come_in_base64_and_as_the_type_asked_for(client, asked, kind):
    """`response_format` and `output_format` are obeyed."""
    answer = client.images.generate(model="flux-dev", response_format="b64_json", **SMALL, **asked)
    assert answer.data[0].url is None
    assert decoded(answer.data[0].b64_json).format == kind
    assert answer.output_format == kind.lower()


def test_the_usage_counts_what_a_transformer_sees(client):
    """A picture has a token for each 16 by 16 pixels."""
    usage = client.images.generate(model="flux-dev", n=2, **SMALL).usage
    assert (usage.output_tokens, usage.input_tokens, usage.total_tokens) == (2 * 256, 3, 515)
    assert (usage.input_tokens_details.text_tokens, usage.input_tokens_details.image_tokens) == (3, 0)


def test_an_unchanged_program_gets_what_it_is_used_to(client):
    """OpenAI's model names have stand-ins; those that answer in base64 alone do so here."""
    assert decoded(client.images.generate(model="gpt-image-1", **SMALL).data[0].b64_json).size == (256, 256)
    assert client.images.generate(model="dall-e-3", **SMALL).data[0].url
    assert client.images.generate(**SMALL).data[0].url
    raw = client.images.with_raw_response.generate(model="dall-e-3", size="1792x1024", quality="hd", prompt="x")
    assert raw.parse().size == "1792x1024"


def test_extra_fields_reach_the_model(client, live):
    """What OpenAI has no word for goes by `extra_body`; the same seed gives the same bytes."""
    asked = {"model": "flux-dev", "response_format": "b64_json", **SMALL}
    extra = {"seed": 7, "num_inference_steps": 3, "guidance_scale": 2.5}
    one, two = (client.images.with_raw_response.generate(extra_body=extra, **asked) for _ in range(2))
    assert one.parse().data == two.parse().data
    request = job_of(live, one).request
    assert (request.seed, request.steps, request.guidance) == (7, 3, 2.5)


def test_loras_are_extra_fields(live, client):
    """They reach the intake of LoRAs, and are refused by their own names."""
    asked = SMALL | {"model": "flux-dev", "hf_lora": "owner/name", "lora_scale": 0.5}
    (lora,) = Asking(live.platform.door, GENERATIONS).wanted(asked).loras
    assert (lora.reference, lora.scale) == ("owner/name", 0.5)
    with pytest.raises(openai.BadRequestError) as refused:
        client.images.generate(model="flux-dev", extra_body={"hf_lora": "no name"}, **SMALL)
    assert refused.value.param == "hf_lora"


@pytest.mark.parametrize(("quality", "steps"), [("low", 2), ("high", 6), ("auto", None), ("standard", None)])
def test_quality_is_steps(client, live, quality, steps):
    """Low halves the serving backend's steps, high adds half of them, all else leaves them alone."""
    raw = client.images.with_raw_response.generate(model="flux-dev", quality=quality, **SMALL)
    assert job_of(live, raw).request.steps == steps


def test_a_picture_is_edited(client, live):
    """One file, a list of files, and the size of the answer: the picture's shape unless one is asked for."""
    raw = client.images.with_raw_response.edit(model="flux-kontext-dev", image=png(), prompt="make it blue")
    assert (job_of(live, raw).request.task, len(job_of(live, raw).request.inputs)) == ("edit", 1)
    assert raw.parse().size == "1184x880"
    files = [("a.png", png("red")), ("b.png", png("blue"))]
    raw = client.images.with_raw_response.edit(model="gpt-image-1", image=files, prompt="both", size="1536x1024")
    assert len(job_of(live, raw).request.inputs) == 2
    assert decoded(raw.parse().data[0].b64_json).size == (1536, 1024)
    assert raw.parse().usage.input_tokens_details.image_tokens == 2 * 96 * 64


def test_a_form_carries_numbers_and_extra_fields(client, live):
    """Every field of an edit is text on the wire."""
    raw = client.images.with_raw_response.edit(
        model="flux-dev",
        image=png(),
        prompt="bluer",
        n=2,
        size="256x256",
        output_format="webp",
        output_compression=40,
        extra_body={"seed": 5, "prompt_strength": 0.5},
    )
    request = job_of(live, raw).request
    assert (request.task, request.seed, request.count, request.strength) == ("vary", 5, 2, 0.5)
    assert (request.format, request.quality) == ("webp", 40)


def test_a_mask_says_what_to_repaint(client, live):
    """Its transparent pixels are white in the mask that the model gets."""
    raw = client.images.with_raw_response.edit(
        model="gpt-image-1", image=png(), mask=hole(), prompt="a hat", size="256x256"
    )
    job = job_of(live, raw)
    assert (job.request.model, job.request.task) == ("flux-fill-dev", "fill")
    mask = opened(live.do(live.platform.door.storage.get(job.request.inputs[1]))).convert("L")
    assert (mask.getpixel((0, 0)), mask.getpixel((63, 0))) == (255, 0)


def test_partial_images_are_streamed(client):
    """As many as asked for at most, each a picture of the type it says, before the completed one with its usage."""
    asked = {"model": SLOW, "stream": True, "partial_images": 2, "quality": "high", **SMALL}
    events = list(client.images.generate(extra_body={}, **asked))
    kinds = [event.type.removeprefix("image_generation.") for event in events]
    assert kinds[-1] == "completed"
    assert 1 <= kinds.count("partial_image") <= 2
    partials = events[:-1]
    assert [event.partial_image_index for event in partials] == list(range(len(partials)))
    assert {decoded(event.b64_json).format for event in partials} == {"PNG"}
    done = events[-1]
    assert (decoded(done.b64_json).size, done.size, done.usage.output_tokens) == ((256, 256), "256x256", 256)


def test_an_edit_is_streamed(client):
    """With the names that edits have."""
    events = list(client.images.edit(model="flux-kontext-dev", image=png(), prompt="blue", stream=True))
    assert [event.type for event in events][-1] == "image_edit.completed"


def test_a_failure_in_a_stream_is_raised(client):
    """The SDK's own exception, with our message."""
    with pytest.raises(openai.APIError, match="The brush broke"):
        list(client.images.generate(model=FAILING, stream=True, **SMALL))


async def test_the_asynchronous_client_waits_alike(live):
    """Pictures, edits, streams and models."""
    async with AsyncOpenAI(api_key=live.new_key(), base_url=f"{live.url}/v1", max_retries=0) as client:
        made = await client.images.generate(model="flux-dev", response_format="b64_json", **SMALL)
        assert decoded(made.data[0].b64_json).size == (256, 256)
        edited = await client.images.edit(model="flux-kontext-dev", image=png(), prompt="blue", size="256x256")
        assert edited.data[0].url
        stream = await client.images.generate(model="flux-dev", stream=True, **SMALL)
        assert [event.type async for event in stream][-1] == "image_generation.completed"
        assert "flux-dev" in [model.id async for model in client.models.list()]


def test_models_are_listed_and_found(client):
    """Those that somebody serves here, by who really makes the pictures."""
    found = {model.id: model for model in client.models.list()}
    assert found["flux-dev"].owned_by == "testcard"
    assert UNSERVED not in found
    assert client.models.retrieve("flux-dev") == found["flux-dev"]
    with pytest.raises(openai.NotFoundError) as missing:
        client.models.retrieve("gpt-9")
    assert missing.value.code == "model_not_found"


REFUSED = [
    ({"prompt": " "}, openai.BadRequestError, "prompt"),
    ({"n": 5}, openai.BadRequestError, "n"),
    ({"size": "1000x1000"}, openai.BadRequestError, "size"),
    ({"size": "2048x2048"}, openai.BadRequestError, "size"),
    ({"size": "big"}, openai.BadRequestError, "size"),
    ({"background": "transparent"}, openai.BadRequestError, "background"),
    ({"style": "natural"}, openai.BadRequestError, "style"),
    ({"output_format": "gif"}, openai.BadRequestError, "output_format"),
    ({"output_compression": 50}, openai.BadRequestError, "output_compression"),
    ({"partial_images": 2}, openai.BadRequestError, "partial_images"),
    ({"stream": True, "n": 2}, openai.BadRequestError, "n"),
    ({"quality": "max"}, openai.BadRequestError, "quality"),
    ({"extra_body": {"sed": 3}}, openai.BadRequestError, "sed"),
    ({"extra_body": {"guidance_scale": 99}}, openai.BadRequestError, "guidance_scale"),
    ({"extra_body": {"seed": 1.5}}, openai.BadRequestError, "seed"),
    ({"model": "flux-9"}, openai.NotFoundError, "model"),
]


@pytest.mark.parametrize(("change", "kind", "param"), REFUSED)
def test_a_bad_request_is_refused_by_the_name_of_its_field(client, change, kind, param):
    """By the SDK's own class, and nothing is charged."""
    with pytest.raises(kind) as refused:
        client.images.generate(**({"model": "flux-dev"} | SMALL | change))
    assert refused.value.param == param
    assert refused.value.type == "invalid_request_error"
    assert refused.value.request_id


BAD_EDITS = [
    ({"image": b"no picture"}, "image"),
    ({"image": [png(), png()]}, "image"),
    ({"mask": hole()}, "mask"),
    ({"model": "flux-fill-dev", "mask": png()}, "mask"),
    ({"model": "flux-fill-dev"}, "mask"),
    ({"input_fidelity": "high"}, "input_fidelity"),
    ({"n": 9}, "n"),
]


@pytest.mark.parametrize(("change", "param"), BAD_EDITS)
def test_a_bad_edit_is_refused_by_the_name_of_its_field(client, change, param):
    """Pictures and masks too."""
    with pytest.raises(openai.BadRequestError) as refused:
        client.images.edit(**({"model": "flux-dev", "image": png(), "prompt": "bluer"} | change))
    assert refused.value.param == param


def test_every_documented_error_is_raised_as_its_own_class(live, client):
    """401, 402, 403, 404, 413, 422, 429, 500 and 503."""

    def error(key, kind, status, code, **change):
        with OpenAI(api_key=key, base_url=f"{live.url}/v1", max_retries=0) as other, pytest.raises(kind) as raised:
            other.images.generate(**({"model": "flux-dev"} | SMALL | change))
        assert (raised.value.status_code, raised.value.code) == (status, code)
        return raised.value

    error("fh_wrong", openai.AuthenticationError, 401, "invalid_api_key")
    assert error(live.new_key(0), openai.APIStatusError, 402, "insufficient_quota").type == "insufficient_quota"
    barred = live.new_key(limits=Limits(models=frozenset({"flux-schnell"})))
    error(barred, openai.PermissionDeniedError, 403, "key_not_allowed")
    key = live.new_key(limits=Limits(rate_per_minute=1))
    repeated = {"extra_headers": {"Idempotency-Key": "one"}}
    first = live.new_key()
    with OpenAI(api_key=first, base_url=f"{live.url}/v1", max_retries=0) as other:
        other.images.generate(model="flux-dev", **SMALL, **repeated)
    error(first, openai.UnprocessableEntityError, 422, "idempotency_mismatch", prompt="other", **repeated)
    with OpenAI(api_key=key, base_url=f"{live.url}/v1") as other:
        other.images.generate(model="flux-dev", **SMALL)
    limited = error(key, openai.RateLimitError, 429, "rate_limit_exceeded")
    assert int(limited.response.headers["retry-after"]) >= 1
    key = live.new_key()
    error(key, openai.InternalServerError, 500, "generation_failed", model=FAILING)
    error(key, openai.InternalServerError, 503, "model_unavailable", model=UNSERVED)
    with pytest.raises(openai.NotFoundError):
        client.get("/nowhere", cast_to=object)
    with pytest.raises(openai.APIStatusError) as wrong:
        client.get("/images/generations", cast_to=object)
    assert (wrong.value.status_code, wrong.value.type) == (405, "invalid_request_error")


def test_a_client_that_gives_up_cancels_its_job(live):
    """Nothing is charged for a picture that nobody waits for; a stream that is closed ends alike."""
    key = live.new_key()

    def newest():

        return live.do(live.platform.door.ask(key, None, lambda c, caller: found(c, caller.account.id, Search(), 1)[0]))

    def ended():
        for _ in range(100):
            if (job := newest()).state.terminal:
                return job
            time.sleep(0.05)
        raise AssertionError("the job never ended")

    with OpenAI(api_key=key, base_url=f"{live.url}/v1", max_retries=0) as client:
        with pytest.raises(openai.APITimeoutError):
            client.images.generate(model=SLOW, timeout=0.5, **SMALL)
        assert (ended().state, ended().captured_micro) == (JobState.CANCELLED, 0)
        with client.images.generate(model=SLOW, stream=True, partial_images=1, **SMALL) as stream:
            assert next(iter(stream)).type == "image_generation.partial_image"
        assert (ended().state, ended().captured_micro) == (JobState.CANCELLED, 0)


def test_a_repeat_by_idempotency_key_finds_the_first_answer(live):
    """Also while the first is still being made, whose client has gone."""
    with OpenAI(api_key=live.new_key(), base_url=f"{live.url}/v1", max_retries=0) as client:
        asked = {"model": SLOW, "extra_headers": {"Idempotency-Key": "mine"}, **SMALL}
        with pytest.raises(openai.APITimeoutError):
            client.images.generate(timeout=0.5, **asked)
        again = [client.images.with_raw_response.generate(**asked) for _ in range(2)]
    assert {answer.headers["idempotent-replayed"] for answer in again} == {"true"}
    assert len({answer.headers["x-job-id"] for answer in again}) == 1
