"""Files in the making: what is too long for memory lies in a folder of this machine until it is kept or refused."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from fluxhouse.generation.errors import StorageUnavailable

_LEFTOVER_SECONDS = 6 * 3600.0  # Nothing takes this long: what is older was left by a crash.


class Drafts:
    """New files in `folder`, which may be shared by processes; raises StorageUnavailable where the disk refuses."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._swept = False

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """An empty file to write to and read from by its name, gone at the end; blocks for as long as the disk does."""
        with _typed_errors():
            self._folder.mkdir(parents=True, exist_ok=True)
            self._sweep_once()
            with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:
                try:
                    yield file
                finally:
                    Path(file.name).unlink(missing_ok=True)

    def _sweep_once(self) -> None:
        if self._swept:
            return
        self._swept = True
        remove_leftovers(self._folder, _LEFTOVER_SECONDS)


def remove_leftovers(folder: Path, seconds: float) -> None:
    """Remove the files in `folder` that nobody has written to for so long."""
    oldest = time.time() - seconds
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                if entry.stat(follow_symlinks=False).st_mtime < oldest:
                    Path(entry.path).unlink()


@contextmanager
def _typed_errors() -> Iterator[None]:
    try:
        yield
    except TimeoutError:  # an OSError that no disk has raised
        raise
    except OSError as error:
        raise StorageUnavailable("A file cannot be taken in: the disk is full or refuses.") from error
