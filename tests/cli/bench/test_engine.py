"""`fluxhouse bench engine` prints every part, and refuses what it cannot measure."""

import re

import pytest
import torch


@pytest.mark.long
def test_the_whole_command_on_a_tiny_model(fluxhouse):
    """Every part has its table; bfloat16 is bit-equal to diffusers, alone and packed."""
    ended = fluxhouse("bench", "engine", "--architecture", "tiny", "--rounds", "1", "--jobs", "3")
    assert ended.code == 0, ended.err
    for title in (
        "Against diffusers at `none`",
        "Drift from `none`",
        "(a) One request",
        "(b) A mixed stream",
        "Cancel in the middle of a step",
        "Overhead of the loop",
        "Forwards a second by packing",
        "Where the time of a request goes",
    ):
        assert title in ended.out
    assert re.search(r"bfloat16 +without +0\.0e\+00 +0\.0e\+00", ended.out)
    assert "a cancel takes 1 step, aim at most 1: reached" in ended.out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--only", "parity,speed"), "--only takes parity, one, stream, loop, packing, profile, not speed"),
        (("--architecture", "huge"), "'huge' is not one of"),
        (("--jobs", "1"), "--jobs"),
    ],
)
def test_what_makes_no_sense_is_refused(fluxhouse, arguments, complaint):
    """The sentence names the option and what it takes."""
    ended = fluxhouse("bench", "engine", *arguments)
    assert ended.code != 0
    assert complaint in " ".join(ended.err.split())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, and measuring on it takes minutes")
def test_a_device_that_is_not_there_is_refused(fluxhouse):
    """With a word on those that are."""
    ended = fluxhouse("bench", "engine", "--device", "cuda")
    assert ended.code == 1
    assert "--device cuda: torch finds none here; there is cpu" in " ".join(ended.err.split())
