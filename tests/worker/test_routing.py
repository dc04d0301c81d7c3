"""The router finds the backend of a model and says what is served."""

import pytest

from fluxhouse.engine.testcard import TestCard
from fluxhouse.generation.backend import Serving
from fluxhouse.generation.errors import ModelUnavailable
from fluxhouse.worker.routing import Router

FACTS = Serving("testcard", 4, 3.5)
SERVING = {"flux-dev": FACTS, "flux-schnell": FACTS}


def test_a_models_own_backend_comes_first():
    """The backend under `*` stands in only where a model has none of its own."""
    own, rest = TestCard("own"), TestCard("rest")
    router = Router({"flux-dev": own, "*": rest}, SERVING)
    assert router.backend_for("flux-dev") is own
    assert router.backend_for("flux-schnell") is rest
    assert [(backend.name, models) for backend, models in router.backends()] == [
        ("own", ["flux-dev"]),
        ("rest", ["flux-schnell"]),
    ]


def test_a_model_without_backend_is_not_served():
    """Without a stand-in, only models with a backend are served."""
    router = Router({"flux-dev": TestCard()}, SERVING)
    assert set(router.serving()) == {"flux-dev"}
    with pytest.raises(ModelUnavailable):
        router.backend_for("flux-schnell")


def test_a_route_is_the_first_backend_and_those_that_stand_in_for_it():
    """In order, each model its own; every backend is known once."""
    first, second = TestCard(), TestCard()
    router = Router({"flux-dev": first, "*": second}, SERVING, {"flux-dev": [second]})
    assert (list(router.route("flux-dev")), list(router.route("flux-schnell"))) == ([first, second], [second])
    assert list(router.all()) == [first, second]
