"""Forms of a size: nobody fills the memory by sending one."""

import pytest

from fluxhouse.console.sized import MOST_BYTES


@pytest.mark.parametrize("path", ["/sign-in", "/sign-up", "/theme"])
async def test_a_form_larger_than_any_of_ours_is_refused(browser, path):
    """With or without an account, before it is kept."""

    async def endless():
        for _ in range(1000):
            yield b"address=" + b"x" * 10_000 + b"&"

    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = await browser.post(path, content=endless(), headers=headers)
    assert (answer.status_code, "No form of this console is that large" in answer.text) == (400, True)


async def test_what_fits_is_read(browser):
    """Right up to the limit."""
    form = {"address": "ada@example.com", "password": "correct horse battery", "more": "x" * (MOST_BYTES - 200)}
    assert (await browser.post("/sign-in", form)).status_code == 303
