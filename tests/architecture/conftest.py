"""The sources of the house as the architecture tests read them, and a way to write small wrong ones."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Source:
    """One Python file: its path below the root it was read from, its text and its syntax tree."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def is_migration(self) -> bool:
        return "migrations" in self.path.parts

    def at(self, line: int) -> str:
        return f"{self.path}:{line}"


def read(root: Path) -> list[Source]:
    """Every Python file below `root`, in the order of their paths."""
    texts = {path: path.read_text("utf-8") for path in sorted(root.rglob("*.py"))}
    return [Source(path.relative_to(root), text, ast.parse(text)) for path, text in texts.items()]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def house() -> list[Source]:
    """The package itself."""
    return read(ROOT / "src" / "fluxhouse")


@pytest.fixture(scope="session")
def tests() -> list[Source]:
    return read(ROOT / "tests")


@pytest.fixture
def sample(tmp_path: Path) -> Callable[..., list[Source]]:
    """Writes one file and reads it back: `sample("text", "core/jobs.py")`."""

    def write(text: str, path: str = "sample.py") -> list[Source]:
        target = tmp_path / "sample" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")
        return read(tmp_path / "sample")

    return write
