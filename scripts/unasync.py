"""Writes the synchronous twin of the client: one source, two colours; with --check only says what is stale."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOM = Path(__file__).parents[1] / "src" / "fluxhouse" / "client"

# In this order; what begins with a capital is a class of ours, of httpx2 or of collections.abc.
SUBSTITUTIONS = [
    (r"from asyncio import sleep\n", "from time import sleep\n"),
    (r"from asyncio import to_thread\n", ""),
    (r"await to_thread\((\w+), ", r"\1("),
    (r"AsyncGenerator\[(.+), None\]", r"Generator[\1, None, None]"),
    (r"\basync (def|with|for) ", r"\1 "),
    (r"\bawait ", ""),
    (r"\b__a(enter|exit)__\b", r"__\1__"),
    (r"\baclos(e|ing)\b", r"clos\1"),
    (r"\basynccontextmanager\b", "contextmanager"),
    (r"\bAsync([A-Z]\w*)", r"\1"),
    (r"\basync_(\w+)", r"sync_\1"),
    (r"\basynchronous\b", "synchronous"),
    (r"  # noqa: ASYNC.*", ""),
    (r" Under asyncio only; close it", " Threads may share it; close it"),
]


def main(arguments: list[str]) -> int:
    """Write every stale twin, or name it; 1 where one was stale and is only named."""
    stale = [
        twin for source in sources() if (twin := twin_of(source)).is_file() is False or written(source) != read(twin)
    ]
    for twin in stale:
        sys.stdout.write(f"{twin.name} is stale\n")
    if "--check" in arguments:
        return 1 if stale else 0
    for source in sources():
        twin_of(source).write_text(written(source), "utf-8")
    return 0


def sources() -> list[Path]:
    """The asynchronous modules."""
    return sorted(ROOM.glob("async_*.py"))


def twin_of(source: Path) -> Path:
    """Where the twin of a module stands."""
    return source.with_name(source.name.replace("async_", "sync_", 1))


def read(twin: Path) -> str:
    """The twin as it stands."""
    return twin.read_text("utf-8")


def written(source: Path) -> str:
    """The twin as it should be: substituted, imports sorted, formatted."""
    caption, rest = read(source).split("\n", 1)
    mark = f"# Written by scripts/{Path(__file__).name} from {source.name}, which is the one to change."
    return formatted(f"{substituted(caption)}\n\n{mark}\n{substituted(rest)}", twin_of(source))


def substituted(text: str) -> str:
    """The text in the other colour."""
    for pattern, replacement in SUBSTITUTIONS:
        text = re.sub(pattern, replacement, text)
    return text


def formatted(text: str, path: Path) -> str:
    """The text as the linter and the formatter want it."""
    for command in (["check", "--fix-only", "--select", "I,UP", "--unsafe-fixes"], ["format"]):
        ruff = [str(Path(sys.executable).with_name("ruff")), *command, "--quiet", "--stdin-filename", str(path), "-"]
        text = subprocess.run(ruff, input=text, capture_output=True, text=True, check=True).stdout
    return text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
