"""What the checker withholds never leaves the engine's process."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from fluxhouse.engine.checkers import examine_checker
from fluxhouse.engine.engine import Engine
from fluxhouse.engine.safety import Checker
from fluxhouse.generation.backend import Preview, Progress
from fluxhouse.generation.image import MadeImage
from fluxhouse.generation.moderation import Moderation, threshold
from fluxhouse.generation.request import GenerationRequest, OutputFormat

pytestmark = pytest.mark.asyncio(loop_scope="session")

REQUEST = GenerationRequest(model="flux-dev", prompt="a red fox", width=96, height=64, seed=5, count=2)


async def events(engine: Engine, request: GenerationRequest) -> list[Progress]:
    return [event async for event in engine.generate(request, [])]


def images_of(seen: list[Progress]) -> dict[int, MadeImage]:
    return {event.index: event for event in seen if isinstance(event, MadeImage)}


def pixels(image: MadeImage) -> Image.Image:
    return Image.open(io.BytesIO(image.content)).convert("RGB")


async def test_pictures_are_withheld_by_their_score_and_the_requests_tolerance(
    engine: Engine, checker_folder: Path
) -> None:
    """Each for itself, at every tolerance; what passes is the picture that nobody looked at, to the byte."""
    unseen = images_of(await events(engine, replace(REQUEST, tolerance=None)))
    checker = Checker(examine_checker(checker_folder), torch.device("cpu"))
    scores = {index: checker.score(pixels(image)) for index, image in unseen.items()}
    found = set()
    for tolerance in (0, 4, 6):
        for index, image in images_of(await events(engine, replace(REQUEST, tolerance=tolerance))).items():
            withheld = scores[index] >= threshold(tolerance)
            assert (image.nsfw, image.withheld) == (withheld, withheld)
            assert (image.content == unseen[index].content) is not withheld
            if withheld:
                assert pixels(image).size == (96, 64)
                assert pixels(image).getextrema() == ((0, 0),) * 3
            found.add((tolerance, withheld))
    assert {(0, True), (6, False)} <= found


async def test_there_are_no_previews_of_what_may_be_withheld(engine: Engine) -> None:
    """A preview would show it; where nobody looks they come."""
    checked = await events(engine, replace(REQUEST, tolerance=6))
    unchecked = await events(engine, replace(REQUEST, tolerance=None))
    assert [any(isinstance(event, Preview) for event in seen) for seen in (checked, unchecked)] == [False, True]


async def test_a_withheld_picture_is_of_the_type_that_was_asked_for(engine: Engine) -> None:
    """Black as a JPEG, too."""
    made = images_of(await events(engine, replace(REQUEST, count=1, tolerance=0, format=OutputFormat.JPEG)))[0]
    assert (made.content_type, Image.open(io.BytesIO(made.content)).format) == ("image/jpeg", "JPEG")
    assert max(high for _, high in pixels(made).getextrema()) < 4


async def test_it_says_that_it_moderates(engine: Engine) -> None:
    """Of every model that it serves."""
    assert {serving.moderation for serving in engine.serving.values()} == {Moderation.CHECKER}
