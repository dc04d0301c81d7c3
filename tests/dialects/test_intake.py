"""Input pictures on their way in."""

import base64
from datetime import timedelta

import pytest

from fluxhouse.core.keys import Limits
from fluxhouse.generation.errors import InputImageRefused


def uri_of(picture):
    return "data:image/png;base64," + base64.b64encode(picture).decode()


@pytest.fixture
async def caller(idle_house):
    return await idle_house.platform.door.authenticate(idle_house.key, None)


async def accepted(door, caller, values):
    """What the door's intake makes of (field, value) pairs for a request that costs nothing."""
    return await door.intake.accept(caller, values, 0, door.clock.now())


async def test_accepted_pictures_are_kept_under_keys_of_their_own(idle_house, caller, picture):
    """Each picture is a clean PNG in the store, with its size known."""
    door = idle_house.platform.door
    kept = await accepted(door, caller, [("input_image", uri_of(picture)), ("image_url", uri_of(picture))])
    assert len({image.key for image in kept}) == 2
    for image in kept:
        assert (image.width, image.height) == (48, 32)
        assert (await door.storage.get(image.key)).startswith(b"\x89PNG")


async def test_one_bad_picture_forgets_the_others(idle_house, caller, picture):
    """Nothing of a refused request stays in the store."""
    door = idle_house.platform.door
    with pytest.raises(InputImageRefused) as refused:
        await accepted(door, caller, [("input_image", uri_of(picture)), ("mask", "data:image/png;base64,AAAA")])
    assert refused.value.field == "mask"
    assert [key async for key in door.storage.keys("inputs/")] == []


async def test_an_address_of_ours_is_read_and_never_fetched(idle_house, caller, picture):
    """Under our own public URL only a signature opens a file; without one nothing is asked of the network."""
    door = idle_house.platform.door
    await door.storage.put("outputs/a/0.png", picture)
    url = door.signer.sign("outputs/a/0.png", idle_house.clock.now() + timedelta(hours=1))
    (image,) = await accepted(door, caller, [("input_image", url)])
    assert (image.width, image.height) == (48, 32)
    secret = "http://house.test/secret"
    for wrong in (url + "x", url.partition("?")[0], "http://house.test/api/v1/credits", secret, "http://HOUSE.test/x"):
        with pytest.raises(InputImageRefused, match="URL of ours"):
            await accepted(door, caller, [("input_image", wrong)])
    idle_house.clock.ahead = timedelta(hours=2)
    with pytest.raises(InputImageRefused):
        await accepted(door, caller, [("input_image", url)])


async def test_nothing_is_fetched_for_one_who_cannot_submit(idle_house, picture):
    """Without credits or beyond the rate a caller cannot have pictures fetched, and is told why."""
    body = {"prompt": "x", "input_image": "https://pictures.example.com/boat.png"}
    poor = await idle_house.account("poor", credits=1)
    answer = await idle_house.run(body | {"num_outputs": 2}, Authorization=f"Bearer {poor}")
    assert (answer.status_code, answer.json()["error"]["creditsRequired"]) == (402, 2)
    hasty = await idle_house.account("hasty", limits=Limits(rate_per_minute=1))
    await idle_house.run(Authorization=f"Bearer {hasty}")
    answer = await idle_house.run(body, Authorization=f"Bearer {hasty}")
    assert answer.status_code == 429
    idle_house.clock.ahead = timedelta(minutes=1)
    answer = await idle_house.run(body | {"input_image": uri_of(picture)}, Authorization=f"Bearer {hasty}")
    assert answer.status_code == 202
