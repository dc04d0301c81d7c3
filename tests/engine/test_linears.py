"""Linear layers give the same apart and fused, LoRAs change only their rows, and FP8 rounds row by row."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

from fluxhouse.engine import linears
from fluxhouse.engine.linears import Delta, Projection, RowwiseFp8, apply, fuse, round_rows, spans, takes_fp8
from fluxhouse.generation.request import Acceleration

TOKENS = torch.randn(10, 16, generator=torch.Generator().manual_seed(1))


def layers() -> OrderedDict[str, nn.Linear]:
    torch.manual_seed(2)
    return OrderedDict(q=nn.Linear(16, 8), mlp=nn.Linear(16, 32))


def delta(scale: float, out: int = 8) -> Delta:
    generator = torch.Generator().manual_seed(3)
    pairs = {"q": (torch.randn(4, 16, generator=generator), torch.randn(out, 4, generator=generator))}
    return Delta(pairs, scale)


@pytest.fixture
def fusing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device on which fusing is faster."""
    monkeypatch.setattr(linears, "gains_by_fusing", lambda _: True)


@torch.no_grad()
def test_fused_layers_give_what_they_give_apart_and_take_no_memory() -> None:
    """The layers become views of the fused one."""
    named = layers()
    apart = Projection(named)(TOKENS, Acceleration.NONE, [])
    fused = fuse(list(named.values()))
    together = torch.split(fused(TOKENS), [8, 32], dim=1)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(apart, together, strict=True))
    assert named["mlp"].weight.data_ptr() == fused.weight[8:].data_ptr()
    again = Projection(named)(TOKENS, Acceleration.NONE, [])
    assert all(torch.equal(a, b) for a, b in zip(apart, again, strict=True))


@torch.no_grad()
@pytest.mark.parametrize("level", [Acceleration.NONE, Acceleration.REGULAR])
@pytest.mark.usefixtures("fusing")
def test_a_lora_changes_its_own_rows_and_layers_alone(level: Acceleration) -> None:
    """Rows 4 to 7 of `q`, by twice the delta; the weights stay as they are."""
    named = layers()
    plain, changed = (
        Projection(named)(TOKENS, level, found) for found in ([], spans([4, 3, 3], [(), (delta(2.0), delta(0.5)), ()]))
    )
    down, up = delta(1.0).pairs["q"]
    expected = TOKENS[4:7] @ down.T @ up.T * 2.5
    assert torch.allclose(changed[0][4:7] - plain[0][4:7], expected, atol=1e-4)
    assert torch.equal(changed[0][:4], plain[0][:4])
    assert torch.equal(changed[0][7:], plain[0][7:])
    assert torch.equal(changed[1], plain[1])
    assert torch.equal(Projection(named)(TOKENS, level, [])[0], plain[0])


@torch.no_grad()
def test_one_layer_takes_a_lora_over_all_its_rows() -> None:
    """As at admission, where all rows are of one request."""
    layer = layers()["q"]
    down, up = delta(1.0).pairs["q"]
    assert torch.allclose(apply("q", layer, TOKENS, [delta(-1.0)]), layer(TOKENS) - TOKENS @ down.T @ up.T, atol=1e-4)


def test_fp8_rounds_each_row_by_its_own_scale() -> None:
    """Within the type's precision, whatever the size of a row, and the same whatever stands beside it."""
    rows = TOKENS * torch.logspace(-3, 3, 10)[:, None]
    rounded, scales = round_rows(rows)
    assert rounded.dtype is torch.float8_e4m3fn
    assert ((rounded.float() * scales - rows).abs().amax(1) <= rows.abs().amax(1) / 16).all()
    alone, scale = round_rows(rows[3:4])
    assert torch.equal(alone.float(), rounded[3:4].float())
    assert torch.equal(scale, scales[3:4])


def test_fp8_is_for_devices_that_multiply_it() -> None:
    """On a CPU `high` computes as `regular` does."""
    assert not takes_fp8(layers()["q"])


@torch.no_grad()
def test_fp8_layers_come_near_to_bfloat16_and_no_token_sees_its_neighbours() -> None:
    """Within a tenth of what the layer makes, row by row the same in any company."""
    torch.manual_seed(4)
    layer = nn.Linear(64, 32).to(torch.bfloat16)
    tokens = torch.randn(48, 64).to(torch.bfloat16)
    rounded = RowwiseFp8(layer)
    together, exact = rounded(tokens).float(), layer(tokens).float()
    assert (together - exact).abs().max() <= 0.1 * exact.abs().max()
    assert torch.equal(rounded(tokens[16:32]).float(), together[16:32])
