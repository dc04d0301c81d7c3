"""Both sides over one tiny model."""

from pathlib import Path

import pytest
import torch

from fluxhouse.engine.bench.architectures import ARCHITECTURES
from fluxhouse.engine.bench.sides import Ours, Theirs, random_loras


@pytest.fixture(scope="session")
def sides(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ours, Theirs]:
    """In float32, with two LoRAs."""
    tiny = ARCHITECTURES["tiny"]
    weights = tiny.build(torch.device("cpu"), torch.float32)
    loras: list[Path] = random_loras(weights, 2, tmp_path_factory.mktemp("loras"))
    return Ours(weights, tiny, loras), Theirs(weights, tiny, loras)
