"""The tools' faces: drawn from the catalog and from what is served."""

import pytest

from fluxhouse.catalog.catalog import Catalog
from fluxhouse.dialects.mcp import tools
from fluxhouse.generation.backend import Serving
from fluxhouse.generation.errors import ModelUnavailable
from fluxhouse.generation.request import Task

CATALOG = Catalog.load()
SERVED = Serving("house", 8, 3.5)


def test_only_what_is_served_can_be_named():
    """A Kontext model edits; a model that takes no picture does not."""
    faces = {face.name: face for face in tools.faces(CATALOG, {"flux-kontext-dev": SERVED, "flux-schnell": SERVED})}
    assert set(faces[tools.EDIT].schema["properties"]["model"]["enum"]) >= {"flux-kontext-dev"}
    assert "flux-dev" not in faces[tools.GENERATE].schema["properties"]["model"]["enum"]


@pytest.mark.parametrize(
    ("task", "served", "model"),
    [
        (Task.GENERATE, ["flux-dev", "flux-schnell"], "flux"),
        (Task.EDIT, ["flux-dev", "flux-kontext-pro"], "flux-kontext-pro"),
        (Task.FILL, ["flux-dev", "flux-fill-dev"], "flux-fill-dev"),
    ],
)
def test_a_call_that_names_no_model_gets_one_that_can_do_it(task, served, model):
    """The family's entrypoint for pictures from words, where any of it is served."""
    serving = dict.fromkeys(served, SERVED)
    assert tools.chosen(CATALOG, serving, task, None) == model
    assert tools.chosen(CATALOG, serving, task, "named") == "named"


def test_where_nobody_can_do_it_that_is_said():
    """Rather than another model doing something else."""
    with pytest.raises(ModelUnavailable):
        tools.chosen(CATALOG, {"flux-dev": SERVED}, Task.FILL, None)
