"""Commands run in this process as typed, and a server in its own that paints test cards."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import structlog

from fluxhouse.cli.bench.subject import Subject
from fluxhouse.cli.main import main

CARDS = {"FLUXHOUSE_MODELS": "*=testcard", "FLUXHOUSE_LOG_FORMAT": "json"}


class Ended(NamedTuple):
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


@pytest.fixture
def fluxhouse(tmp_path: Path, capsys, monkeypatch) -> Iterator[Callable[..., Ended]]:
    """Types a command; `--data` is this test's own folder unless given."""
    monkeypatch.setenv("FLUXHOUSE_DATA", str(tmp_path / "house"))
    monkeypatch.setenv("FLUXHOUSE_MODELS", "*=testcard")
    handlers, level = logging.root.handlers[:], logging.root.level

    def run(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["fluxhouse", *arguments])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        return Ended(code, *capsys.readouterr())

    yield run
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def subject(tmp_path: Path) -> Iterator[Callable[..., Subject]]:
    """Makes servers on a data folder, not yet started; whatever still runs at the end is ended."""
    made: list[Subject] = []

    def make(*arguments: str, folder: Path = tmp_path / "house", **environment: str) -> Subject:
        folder.mkdir(exist_ok=True)
        made.append(Subject(folder, arguments, CARDS | environment))
        return made[-1]

    yield make
    for one in made:
        if one._process is not None and one._process.poll() is None:
            one.kill()
