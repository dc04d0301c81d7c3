"""The operators that take most are found, and every work has its own share of each."""

import torch

from fluxhouse.engine.bench.hotspots import hotspots


def test_the_operator_that_takes_most_stands_first() -> None:
    """A large product beside a small sum; the last row is the whole."""
    large, small = torch.ones(600, 600), torch.ones(4)
    works = {"product": lambda: large @ large, "sum": lambda: small + small}
    figures = hotspots(torch.device("cpu"), works)
    assert figures.columns == ("operator", "product", "sum")
    assert figures.rows[0][0] == "aten::mm"
    assert figures.rows[0][2] == "0.0 (0%)"
    assert figures.rows[-1][0] == "all"
    assert float(figures.rows[-1][1]) > float(figures.rows[-1][2]) >= 0.0
