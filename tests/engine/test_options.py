"""EngineOptions check themselves and survive the way to the process."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fluxhouse.engine.options import EngineOptions, ModelWeights

WEIGHTS = ModelWeights(Path("/weights"), steps=28, guidance=3.5)


def test_options_survive_json() -> None:
    """What the process reads is what the engine was given."""
    options = EngineOptions({"flux-dev": WEIGHTS}, threads=2, dtype="bfloat16", readable=(Path("/inputs"),))
    for given in (options, replace(options, checker=Path("/checker"))):
        assert EngineOptions.from_json(json.loads(json.dumps(given.to_json()))) == given


def test_all_places_of_weights_are_told() -> None:
    """What the process must be able to read, the checker's too."""
    options = EngineOptions({"flux-dev": WEIGHTS}, checker=Path("/checker"))
    assert options.places == (Path("/weights"), Path("/checker"))


@pytest.mark.parametrize("wrong", [{"dtype": "float16"}, {"device": "tpu"}, {"slots": 0}])
def test_wrong_options_are_refused_by_name(wrong: dict[str, object]) -> None:
    """A value that is not allowed names its field."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        EngineOptions({"flux-dev": WEIGHTS}, **wrong)  # type: ignore[arg-type]


def test_an_engine_without_models_is_refused() -> None:
    """There is nothing to serve."""
    with pytest.raises(ValueError, match="models"):
        EngineOptions({})
