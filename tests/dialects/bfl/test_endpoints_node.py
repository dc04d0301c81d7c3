"""The AI SDK's Black Forest Labs provider, unmodified, as the judge of this dialect."""

from __future__ import annotations

import base64
import io

import pytest
from PIL import Image


def size(text):
    with Image.open(io.BytesIO(base64.b64decode(text, validate=True))) as image:
        return image.size


@pytest.fixture(scope="module")
def told(node, live):
    """What it got."""
    file = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(file, "PNG")
    picture = base64.b64encode(file.getvalue()).decode()
    return node("ai_bfl.mjs", house_key=live.new_key(), poor_key=live.new_key(0), picture=picture)


def test_pictures_are_made_and_edited(told):
    """Several by several tasks, in the size or ratio asked for, with the seed; from two pictures."""
    assert [size(text) for text in told["made"]] == [(256, 256)] * 2
    assert told["seed"] == 7
    assert [size(text) for text in told["ratio"]] == [(3072, 1280)]
    assert [size(text) for text in told["edited"]] == [(1360, 768)]


@pytest.mark.parametrize(
    ("case", "status", "message"),
    [
        ("field", 422, "must be a multiple of 32"),
        ("key", 403, "API key is missing, unknown"),
        ("credit", 402, "Not enough credits"),
        ("model", 404, "Not Found"),
        ("failed", None, "Black Forest Labs generation failed."),
        ("timeout", None, "Black Forest Labs generation timed out."),
    ],
)
def test_errors_reach_its_caller(told, case, status, message):
    """An HTTP error as an API error with our words, a failed task and one that takes too long as the SDK says it."""
    error = told["errors"][case]
    assert error.get("status") == status
    assert message in error["message"]
    assert error["name"] == ("Error" if status is None else "AI_APICallError")
