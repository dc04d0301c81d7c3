"""How much a device has is asked of the machine, and a share of it is for models."""

from pathlib import Path

import pytest

from fluxhouse.engine import memory


def test_models_get_a_share() -> None:
    """What steps compute with needs room beside the models; more of it on a CPU, which serves others too."""
    assert memory.budget_bytes("cuda:0", 100 * 10**9) == 85 * 10**9
    assert memory.budget_bytes("cpu", 10 * 10**9) == 7 * 10**9
    assert memory.budget_bytes("cpu") == int(0.7 * (memory.machine_bytes() or 0))


def test_a_machine_nobody_can_ask_has_no_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the driver's program the budget of an accelerator is open until the engine itself asks."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert memory.budget_bytes("cuda:1") == 2**63


def test_the_driver_is_asked_for_the_device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It answers in MiB for the number of the device; nonsense counts as no answer."""
    program = tmp_path / "nvidia-smi"
    program.write_text('#!/bin/sh\ntest "$1" = --id=1 && echo 1000 || echo none\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert memory.accelerator_bytes("cuda:1") == 1000 * 2**20
    assert memory.accelerator_bytes("cuda") is None


def test_bytes_are_read_by_people() -> None:
    """Gigabytes with one decimal, megabytes below one."""
    assert [memory.gigabytes(count) for count in (33_700_000_000, 8_900_000)] == ["33.7 GB", "8.9 MB"]
