"""Finished pictures by their signed addresses."""

from datetime import timedelta


async def test_a_picture_is_served_safely(house):
    """An output is its own type, is never sniffed or run, and may be kept until it expires."""
    url = (await house.done())["output"]["images"][0]
    answer = await house.get(url)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["content-disposition"].startswith("inline; filename=")
    assert "max-age=" in answer.headers["cache-control"]
    assert int(answer.headers["content-length"]) == len(answer.content)


async def test_parts_and_conditions_are_answered(house):
    """Ranges, an impossible range and a known entity tag answer 206, 416 and 304."""
    url = (await house.done())["output"]["images"][0]
    whole = await house.get(url)
    part = await house.get(url, Range="bytes=0-7")
    assert (part.status_code, part.content) == (206, b"\x89PNG\r\n\x1a\n")
    assert part.headers["content-range"] == f"bytes 0-7/{len(whole.content)}"
    assert (await house.get(url, Range="bytes=99999999-")).status_code == 416
    unchanged = await house.get(url, **{"If-None-Match": whole.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    head = await house.client.head(url)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))


async def test_an_address_that_was_never_given_out_is_not_found(house):
    """A changed path, expiry or signature answers 404 and tells nothing about the file."""
    url = (await house.done())["output"]["images"][0]
    path, _, query = url.partition("?")
    for wrong in (path, f"{path}?{query}x", url.replace("/0.png", "/1.png"), url.replace("expires=1", "expires=2")):
        answer = await house.get(wrong)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "file_not_found")


async def test_an_expired_address_is_gone(house):
    """After its expiry an address answers 410."""
    url = (await house.done())["output"]["images"][0]
    house.clock.ahead = timedelta(hours=25)
    assert (await house.get(url)).status_code == 410


async def test_the_jobs_row_decides_whether_a_picture_is_gone(house):
    """A picture marked as removed is gone though its file is still there; one of no job was never there."""
    url = (await house.done())["output"]["images"][0]
    door = house.platform.door
    made = await door.database.write(lambda c: c.exec_driver_sql("UPDATE jobs SET output_removed_at = 1").rowcount)
    assert (made, (await house.get(url)).status_code) == (1, 410)
    stray = "outputs/" + "0" * 32 + "/0.png"
    await door.storage.put(stray, b"x")
    assert (await house.get(door.signer.sign(stray, door.clock.now() + timedelta(hours=1)))).status_code == 404
