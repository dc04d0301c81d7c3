"""Repainting under a mask, as a client of the native API asks for it."""

import base64
import io

from PIL import Image

MODEL = "flux-fill-dev"


def uri(image):
    """The picture as a data URI."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


PICTURE = uri(Image.new("RGB", (320, 160), "red"))
WHITE = uri(Image.new("L", (64, 32), 255))
BLACK = uri(Image.new("L", (64, 32), 0))


async def test_a_picture_and_its_mask_make_one_of_its_shape(house):
    """Both go in by any way an input may come, the size is the picture's, and the price is the model's."""
    white = base64.b64decode(WHITE.split(",")[1])
    uploaded = await house.client.post("/api/v1/files", content=white, headers={"Content-Type": "image/png"})
    mask = uploaded.json()["fileId"]
    body = {"prompt": "a door", "image": PICTURE, "mask": mask, "megapixels": "0.25"}
    job = (await house.run(body, MODEL, Prefer="wait")).json()
    assert (job["status"], job["creditCost"]) == ("completed", 1)
    assert (job["assets"][0]["width"], job["assets"][0]["height"]) == (720, 368)


REFUSED = [
    ({"mask": None}, "invalid_parameter", "mask"),
    ({"image": None}, "invalid_parameter", "image"),
    ({"mask": "white"}, "invalid_parameter", "mask"),
    ({"mask": ["white"]}, "invalid_parameter", "mask"),
    ({"mask": BLACK}, "invalid_image", "mask"),
    ({"mask": "data:image/png;base64,AAAA"}, "invalid_image", "mask"),
    ({"image": "file_unknown"}, "invalid_image", "image"),
    ({"input_image": PICTURE}, "invalid_parameter", "input_image"),
]


async def test_what_is_wrong_is_named_and_free(idle_house):
    """A refusal charges nothing, and neither picture is kept."""
    for changes, code, field in REFUSED:
        answer = await idle_house.run({"prompt": "a door", "image": PICTURE, "mask": WHITE} | changes, MODEL)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["field"]) == (400, code, field)
    assert (await idle_house.credits())["available"] == 100
    assert [key async for key in idle_house.platform.door.storage.keys("inputs/")] == []
