"""The command line as a whole: how commands end, and that none invents a data folder to look into."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "arguments",
    [
        ("accounts", "list"),
        ("keys", "list"),
        ("credits", "show", "me"),
        ("credits", "grant", "me", "1"),
        ("reconcile",),
    ],
)
def test_a_folder_without_database_is_not_looked_into(fluxhouse, tmp_path, arguments):
    """A mistyped --data is said, not filled with an empty database that proves everything."""
    refused = fluxhouse(*arguments, "--data", str(tmp_path / "typo"))
    assert refused.code == 1
    assert "there is no database at" in refused.err
    assert not (tmp_path / "typo").exists()


def test_a_wrong_variable_is_a_usage_error(fluxhouse, monkeypatch):
    """A misspelt setting stops any command that reads settings with exit code 2."""
    monkeypatch.setenv("FLUXHOUSE_PROT", "9000")
    refused = fluxhouse("accounts", "list")
    assert refused.code == 2
    assert refused.err.startswith("fluxhouse: FLUXHOUSE_PROT is not a setting")


def test_an_unknown_command_is_a_usage_error(fluxhouse):
    """What is not a command ends with exit code 2."""
    assert fluxhouse("serv").code == 2


def test_it_runs_as_a_module():
    """`python -m fluxhouse` is the same program."""
    ended = subprocess.run([sys.executable, "-m", "fluxhouse", "--help"], capture_output=True, text=True, check=True)
    for command in ("serve", "worker", "generate", "accounts", "keys", "credits", "models", "doctor", "reconcile"):
        assert command in ended.stdout
