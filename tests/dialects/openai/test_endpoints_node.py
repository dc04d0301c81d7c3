"""npm `openai` and the AI SDK's OpenAI provider, unmodified, as judges of this dialect."""

from __future__ import annotations

import base64
import io
import time

import pytest
from PIL import Image

from fluxhouse.core.job_search import Search, found
from fluxhouse.core.jobs import JobState


def encoded(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


PICTURE = encoded(Image.new("RGB", (64, 48), "red"))
MASK = encoded(Image.new("RGBA", (64, 48), (0, 0, 0, 0)))


def newest(connection, caller):
    return found(connection, caller.account.id, Search(), 1)[0]


def size(text):
    with Image.open(io.BytesIO(base64.b64decode(text, validate=True))) as image:
        return image.size


@pytest.fixture(scope="module")
def key(live):
    return live.new_key()


@pytest.fixture(scope="module")
def told(node, live, key):
    """What npm `openai` got."""
    return node("openai.mjs", house_key=key, poor_key=live.new_key(0), picture=PICTURE, mask=MASK)


def test_pictures_are_made_and_edited(live, told):
    """As addresses or in base64, several at once, from one picture or two, under a mask."""
    assert len({url for url in told["made"] if url.startswith(live.url)}) == 2
    sizes = {name: size(told[name]) for name in ("inBase64", "edited", "both", "masked")}
    assert sizes == {"inBase64": (256, 256), "edited": (1184, 880), "both": (1184, 880), "masked": (256, 256)}


def test_partial_images_are_streamed(told):
    """Before the completed one."""
    assert told["streamed"] == ["image_generation.partial_image", "image_generation.completed"]


def test_models_are_listed(told):
    """And found one by one."""
    assert told["model"]["id"] == "flux-dev"
    assert "flux-dev" in told["models"]


@pytest.mark.parametrize(
    ("case", "facts"),
    [
        ("field", ("BadRequestError", 400, "invalid_parameter", "n")),
        ("key", ("AuthenticationError", 401, "invalid_api_key", None)),
        ("credit", ("APIError", 402, "insufficient_quota", None)),
        ("model", ("NotFoundError", 404, "model_not_found", "model")),
        ("failed", ("InternalServerError", 500, "generation_failed", None)),
        ("stream", ("APIError", None, "generation_failed", None)),
        ("timeout", ("APIConnectionTimeoutError", None, None, None)),
    ],
)
def test_errors_are_the_sdks_own(told, case, facts):
    """By class, status, code and field."""
    error = told["errors"][case]
    assert (error["name"], error.get("status"), error.get("code"), error.get("param")) == facts


def test_the_ai_sdk_gets_its_pictures(node, live):
    """Made, edited and masked; its errors are API errors, and aborting cancels the job."""
    key = live.new_key()
    told = node("ai_openai.mjs", house_key=key, picture=PICTURE, mask=MASK)
    assert [size(text) for text in told["made"] + told["usual"]] == [(256, 256)] * 3
    assert [size(text) for text in told["edited"] + told["masked"]] == [(256, 256)] * 2
    errors = told["errors"]
    assert (errors["field"]["name"], errors["field"]["status"]) == ("AI_APICallError", 400)
    assert "`size` must be" in errors["field"]["message"]
    assert (errors["failed"]["status"], errors["failed"]["message"]) == (500, "The brush broke.")
    assert errors["cancelled"]["name"] in ("AbortError", "TimeoutError")
    ask = live.platform.door.ask
    for _ in range(100):
        if (job := live.do(ask(key, None, newest))).state.terminal:
            break
        time.sleep(0.05)
    assert job.state is JobState.CANCELLED
