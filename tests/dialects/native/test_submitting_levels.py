"""What the engine makes beyond the published contract, as a client of the native API asks for it."""

import base64
import io

from PIL import Image

from fluxhouse.core import jobs
from fluxhouse.generation.request import Acceleration, Task


def uri(colour):
    """A small picture as a data URI."""
    file = io.BytesIO()
    Image.new("RGB", (320, 160), colour).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


RED, BLUE = uri("red"), uri("blue")
GUIDED = {"negative_prompt": "fog", "true_cfg_scale": 3, "acceleration": "regular"}


async def asked(house, body, model="flux-dev"):
    """The request of the finished job that a submit makes, and what it cost."""
    answer = (await house.run({"prompt": "a boat", "megapixels": "0.25"} | body, model, Prefer="wait")).json()
    assert answer["status"] == "completed", answer
    job_id = answer["jobId"].removeprefix("job_")
    job = await house.platform.database.read(lambda connection: jobs.get(connection, job_id))
    return job.request, answer["creditCost"]


async def test_a_level_and_a_negative_prompt_reach_the_engine(house):
    """At the model's price, though the steps take twice the time; without them nothing is asked for."""
    request, cost = await asked(house, GUIDED)
    assert (request.acceleration, request.negative_prompt, request.true_guidance) == (Acceleration.REGULAR, "fog", 3.0)
    plain, plain_cost = await asked(house, {})
    assert (plain.acceleration, plain.negative_prompt, plain.true_guidance) == (Acceleration.NONE, None, None)
    assert cost == plain_cost == 1


async def test_kontext_is_given_several_pictures(house):
    """Each is kept by itself, in the order given."""
    request, cost = await asked(house, {"input_images": [RED, BLUE]}, "flux-kontext-dev")
    assert (request.task, len(set(request.inputs)), cost) == (Task.EDIT, 2, 1)
    pictures = [await house.platform.door.storage.get(key) for key in request.inputs]
    colours = [Image.open(io.BytesIO(picture)).getpixel((0, 0)) for picture in pictures]
    assert colours == [(255, 0, 0), (0, 0, 255)]


REFUSED = [
    ("flux-dev", {"negative_prompt": "fog"}, "invalid_parameter", "negative_prompt"),
    ("flux-dev", {"true_cfg_scale": 3}, "invalid_parameter", "true_cfg_scale"),
    ("flux-dev", {"acceleration": "warp"}, "invalid_parameter", "acceleration"),
    ("flux-dev", {"input_images": [RED, BLUE]}, "invalid_parameter", "input_images"),
    ("flux-kontext-dev", {"input_images": [RED], "input_image": BLUE}, "invalid_parameter", "input_images"),
    ("flux-kontext-dev", {"input_images": [RED] * 5}, "invalid_parameter", "input_images"),
    ("flux-kontext-dev", {"input_images": [RED, "file_unknown"]}, "invalid_image", "input_images"),
]


async def test_what_is_wrong_is_named_and_free(idle_house):
    """A refusal charges nothing, and no picture is kept, not even those that were good."""
    for model, body, code, field in REFUSED:
        answer = await idle_house.run({"prompt": "a boat"} | body, model)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["field"]) == (400, code, field)
    assert (await idle_house.credits())["available"] == 100
    assert [key async for key in idle_house.platform.door.storage.keys("inputs/")] == []
