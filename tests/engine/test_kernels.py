"""Each level's arithmetic is the same but for rounding, and compiling is a wish that may fail."""

from typing import Any

import pytest
import torch
from torch import nn

from fluxhouse.engine.kernels import Kernels
from fluxhouse.generation.request import Acceleration

NORM = nn.LayerNorm(8, elementwise_affine=False, eps=1e-6)
HEAD_NORM = nn.RMSNorm(4, eps=1e-6)
TOKENS = torch.randn(6, 8, generator=torch.Generator().manual_seed(1))
ROWS = torch.randn(2, 8, generator=torch.Generator().manual_seed(2))
OWNERS = torch.tensor([0, 0, 1, 1, 1, 1])
ANGLES = torch.linspace(0, 3, 24).view(6, 1, 4)


@torch.no_grad()
def results(kernels: Kernels) -> list[torch.Tensor]:
    heads = TOKENS.view(6, 2, 4)
    return [
        kernels.modulate(NORM, TOKENS, ROWS, ROWS * 2, OWNERS),
        kernels.gate(TOKENS, ROWS, TOKENS * 3, OWNERS),
        kernels.turn(HEAD_NORM, heads, ANGLES.cos(), ANGLES.sin()),
    ]


@pytest.mark.parametrize("level", list(Acceleration))
def test_levels_differ_by_rounding_alone(level: Acceleration) -> None:
    """Each token is changed by the rows of its own segment."""
    modulated, gated, _ = results(Kernels(level))
    assert torch.allclose(modulated, NORM(TOKENS) * ROWS[OWNERS] + 2 * ROWS[OWNERS], atol=1e-6)
    assert torch.allclose(gated, TOKENS + ROWS[OWNERS] * TOKENS * 3, atol=1e-6)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(results(Kernels(level)), results(EXACT), strict=True))


EXACT = Kernels(Acceleration.NONE)


def test_a_compiler_that_is_missing_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first failure ends the attempts; the results are the plain ones."""
    calls: list[Any] = []

    def broken(*given: Any) -> torch.Tensor:
        calls.append(given)
        raise RuntimeError("no compiler")

    monkeypatch.setattr(torch, "compile", lambda *_, **__: broken)
    kernels = Kernels(Acceleration.REGULAR, compiled=True)
    for _ in range(2):
        plain = results(Kernels(Acceleration.REGULAR))
        assert all(torch.equal(a, b) for a, b in zip(results(kernels), plain, strict=True))
    assert len(calls) == 3


def test_memory_that_lacks_is_no_reason_against_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, so that a smaller pack is tried."""

    def lacking(*_: Any) -> torch.Tensor:
        raise torch.OutOfMemoryError("injected")

    monkeypatch.setattr(torch, "compile", lambda *_, **__: lacking)
    with pytest.raises(torch.OutOfMemoryError):
        results(Kernels(Acceleration.HIGH, compiled=True))


def test_what_must_equal_diffusers_is_never_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """At `none` the wish has no effect."""
    monkeypatch.setattr(torch, "compile", lambda *_, **__: pytest.fail("compiled"))
    results(Kernels(Acceleration.NONE, compiled=True))


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
def test_compiled_kernels_come_near_to_plain_ones() -> None:
    """With a real compiler."""
    plain, compiled = (results(Kernels(Acceleration.REGULAR, compiled)) for compiled in (False, True))
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(plain, compiled, strict=True))
