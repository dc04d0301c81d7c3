"""Checkpoints pulled from a hub into a folder of ours: which are whole, and under which licence; torch-free.

Each is a folder `owner--name` with a marker that is written last; a folder without one does not count as there.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

MARKER = "fluxhouse-pulled.json"
REPOSITORY = re.compile(r"(?!-)[A-Za-z0-9_-][\w.-]{0,95}/(?!-)[A-Za-z0-9_-][\w.-]{0,95}")


@dataclass(frozen=True, slots=True)
class LicenceTerms:
    """The licence of a checkpoint: `gated` where the hub asks for consent, `accepted_at` when it was given here."""

    name: str
    url: str
    gated: bool
    commercial_use: bool
    accepted_at: str | None = None

    @property
    def restricted(self) -> bool:
        """Whether somebody has to accept it before the checkpoint is pulled."""
        return self.gated or not self.commercial_use

    def __str__(self) -> str:
        limits = [
            limit for limit, holds in (("gated", self.gated), ("non-commercial", not self.commercial_use)) if holds
        ]
        return ", ".join((self.name, *limits))


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a repository. `digest` is its SHA-256 or, of a small one, Git's SHA-1 of the blob."""

    name: str
    size_bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class Pulled:
    """A checkpoint, or single files of one, as the hub had it at the commit `revision`, asked for as `branch`."""

    repository: str
    branch: str
    revision: str
    licence: LicenceTerms
    files: tuple[RemoteFile, ...]

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready mapping that `from_json` restores."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Pulled:
        files = tuple(RemoteFile(**file) for file in fields["files"])
        return cls(fields["repository"], fields["branch"], fields["revision"], LicenceTerms(**fields["licence"]), files)


def folder_of(models: Path, repository: str) -> Path:
    """Where below `models` the repository `owner/name` is kept."""
    return models / repository.replace("/", "--")


def unfinished_folder(models: Path, repository: str) -> Path:
    """Where the repository's files are while they come."""
    return models / f".{repository.replace('/', '--')}.partial"


def read_marker(folder: Path) -> Pulled | None:
    """What was pulled into the folder; None where nothing was, or not all of it."""
    try:
        return Pulled.from_json(json.loads((folder / MARKER).read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def list_pulled(models: Path) -> list[Pulled]:
    """Every whole one, by name."""
    folders = sorted(models.glob("*--*")) if models.is_dir() else []
    return [pulled for folder in folders if (pulled := read_marker(folder)) is not None]


def list_unfinished(models: Path) -> list[tuple[str, int]]:
    """Repositories whose files have only partly come, and the bytes that are here."""
    folders = sorted(models.glob(".*--*.partial")) if models.is_dir() else []
    return [
        (
            folder.name[1:].removesuffix(".partial").replace("--", "/", 1),
            sum(file.stat().st_size for file in folder.iterdir()),
        )
        for folder in folders
    ]


def remove(models: Path, repository: str) -> int | None:
    """Delete what is here of the repository, whole or not, and say how many bytes that were; None for nothing."""
    folder, unfinished = folder_of(models, repository), unfinished_folder(models, repository)
    if not folder.exists() and not unfinished.exists():
        return None
    whole = read_marker(folder)
    freed = whole.size_bytes if whole is not None else 0
    freed += dict(list_unfinished(models)).get(repository, 0)
    # The marker goes first: a removal that is cut off leaves nothing that would load.
    (folder / MARKER).unlink(missing_ok=True)
    for gone in (folder, unfinished):
        shutil.rmtree(gone, ignore_errors=True)
    return freed
