"""What is scored comes from the painter, or through a server's API as any client has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fluxhouse.builtin.painter.edits import Change, Edit
from fluxhouse.builtin.painter.scene import Colour, Figures, Form, Place, Scene, Shape, Size, Style
from fluxhouse.builtin.scoring_sources import Installation, Painter
from fluxhouse.client import Client
from fluxhouse.engine.testcard import TestCard

SCENE = Scene(Figures(Colour.WHITE, (Shape(Form.STAR, Colour.RED, Size.LARGE, Place.LEFT),)), Style.PHOTO, 1)
NIGHT = Edit(SCENE, "make it night", SCENE, Change.COLOUR)


def test_a_server_is_asked_as_by_any_client(install: Callable[..., Any]) -> None:
    """The prompt's picture in the size asked for, one for each seed, and its edit at a quarter of a megapixel."""
    running = install({"flux-dev": TestCard(), "flux-kontext-dev": TestCard()})
    with Client(running.new_key(), running.url) as client:
        source = Installation(client, "flux-dev", "flux-kontext-dev", 256)
        made, again, other = (source.make(SCENE, "a red star", seed) for seed in (7, 7, 8))
        assert made.shape == (256, 256, 3)
        assert np.array_equal(made, again)
        assert not np.array_equal(made, other)
        assert source.edit(NIGHT, made, 7).shape == (512, 512, 3)
        edit, *_ = client.jobs()
        assert (edit.model, edit.prompt) == ("flux-kontext-dev", NIGHT.instruction)


def test_the_painter_paints_what_was_meant() -> None:
    """It looks at the scene and not at the words."""
    painter = Painter(64)
    assert np.array_equal(painter.make(SCENE, "anything", 1), painter.edit(NIGHT, painter.make(SCENE, "", 2), 3))
