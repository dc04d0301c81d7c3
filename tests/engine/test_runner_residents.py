"""Two models that do not fit at once take turns, and make what they make with room for both."""

import gc
import weakref
from dataclasses import replace
from pathlib import Path

import torch

from fluxhouse.engine.checkpoints import examine
from fluxhouse.engine.options import EngineOptions, ModelWeights
from fluxhouse.engine.runner import Runner
from fluxhouse.engine.trajectory import Trajectory, plan
from fluxhouse.generation.request import GenerationRequest

REQUEST = GenerationRequest(model="dev", prompt="a red fox", width=64, height=64, seed=5, steps=2)


def runner_over(models: dict[str, Path], model_bytes: int | None) -> Runner:
    weights = {name: ModelWeights(folder, 2, 3.5, max_text_tokens=16) for name, folder in models.items()}
    return Runner(EngineOptions(weights, model_bytes=model_bytes, survey_seconds=0.0))


def begin(runner: Runner, model: str, number: int) -> Trajectory:
    request = replace(REQUEST, model=model)
    return plan(number, request, (), runner._options.models[model], runner.models.grid(model))[0]


def finish(runner: Runner, trajectory: Trajectory) -> torch.Tensor:
    while not trajectory.finished:
        runner.step([trajectory])
    latents = runner.let_go(trajectory).latents
    runner.drop([trajectory])
    return latents


def test_models_take_turns(random_dev: Path, random_schnell: Path) -> None:
    """While one makes a picture the other does not fit; then it leaves for it, all of it, and comes back the same."""
    folders = {"dev": random_dev, "schnell": random_schnell}
    roomy, tight = runner_over(folders, None), runner_over(folders, examine(random_dev).memory_bytes("float32"))
    wanted = {name: finish(roomy, begin(roomy, name, 1)) for name in folders}
    going, waiting = begin(tight, "dev", 1), begin(tight, "schnell", 2)
    tight.step([going])
    assert [tight.fits(going), tight.fits(waiting)] == [True, False]
    assert torch.equal(finish(tight, going), wanted["dev"])
    left = weakref.ref(tight.models._residents.take("dev").transformer)
    assert tight.fits(waiting)
    assert torch.equal(finish(tight, waiting), wanted["schnell"])
    gc.collect()
    assert left() is None
    assert torch.equal(finish(tight, begin(tight, "dev", 3)), wanted["dev"])
