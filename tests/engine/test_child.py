"""What the engine's process is given, and what its frames mean."""

from pathlib import Path

import pytest

from fluxhouse.engine.child import environment, event, failure
from fluxhouse.engine.options import EngineOptions, ModelWeights
from fluxhouse.generation.backend import StepDone
from fluxhouse.generation.errors import EngineDied, GenerationFailed, InvalidParameter, OutOfMemory

OPTIONS = EngineOptions({"flux": ModelWeights(Path("/weights"), 4, 3.5)}, threads=2)


def test_no_secret_reaches_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths and threads are passed on; keys and tokens of any name are not."""
    for name in ("FLUXHOUSE_SECRET", "REPLICATE_API_TOKEN", "AWS_SECRET_ACCESS_KEY", "HF_TOKEN"):
        monkeypatch.setenv(name, "secret")
    given = environment(OPTIONS)
    assert "secret" not in given.values()
    assert given["OMP_NUM_THREADS"] == "2"
    assert given["HF_HUB_OFFLINE"] == "1"
    assert "PATH" in given


def test_frames_become_progress() -> None:
    """A step's frame is a StepDone."""
    frame = {"kind": "step", "number": 3, "index": 0, "step": 1, "steps": 4, "seconds": 0.5}
    assert event(frame) == StepDone(0, 1, 4, 0.5)


@pytest.mark.parametrize("kind", [InvalidParameter, OutOfMemory, GenerationFailed, EngineDied])
def test_frames_become_typed_errors(kind: type[GenerationFailed]) -> None:
    """A failure's frame is the error that its code names."""
    assert type(failure({"kind": "failed", "code": kind.code, "message": None})) is kind
    assert type(failure({"kind": "failed", "code": "unheard_of", "message": "x"})) is GenerationFailed
