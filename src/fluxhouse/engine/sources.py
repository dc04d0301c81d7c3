"""Where the weights lie that a setting names: a folder, a single file or a repository of a hub; torch-free, no network.

`/folder` or `owner/name[@revision]` is a whole checkpoint. `/file.safetensors` and `owner/name/file.safetensors` are a
transformer alone; the rest comes from the folder beside it, or from what follows a `+`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from fluxhouse.engine.pulled import REPOSITORY, folder_of, read_marker
from fluxhouse.generation.errors import WeightsUnavailable

_CHECKER_FILE = "preprocessor_config.json"
_SINGLE = re.compile(r"(?P<file>.+?\.safetensors)(?:\+(?P<rest>.+))?")
_REMOTE = re.compile(rf"(?P<repository>{REPOSITORY.pattern})(?:@(?P<revision>[\w./-]+))?")
_REMOTE_FILE = re.compile(rf"(?P<repository>{REPOSITORY.pattern})/(?P<file>[\w./-]+\.safetensors)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model's weights lie: a diffusers folder, and a file in place of its transformer if there is one."""

    folder: Path
    transformer_file: Path | None = None


def locate(source: str, models: Path) -> Place:
    """The place that a setting means; repositories are looked for in `models`, then in the hub's own cache.

    Raises WeightsUnavailable saying what to do where a repository is not here. Whether the place holds a checkpoint is
    not looked at.
    """
    single = _SINGLE.fullmatch(source)
    if single is None:
        return Place(_folder(source, models))
    file = _file(single["file"], models)
    return Place(file.parent if single["rest"] is None else _folder(single["rest"], models), file.resolve())


def locate_checker(source: str, models: Path) -> Path:
    """The folder of a safety checker that a setting means, as in `locate`."""
    return _folder(source, models, _CHECKER_FILE)


def repositories(source: str) -> set[str]:
    """The repositories that a setting names."""
    single = _SINGLE.fullmatch(source)
    parts = [source] if single is None else [single["file"], single["rest"] or ""]
    found = (_REMOTE.fullmatch(part) or _REMOTE_FILE.fullmatch(part) for part in parts if not _is_local(part))
    return {match["repository"] for match in found if match is not None}


def _folder(source: str, models: Path, file: str = "model_index.json") -> Path:
    """The folder meant; of a repository in the hub's own cache, the snapshot that has that file."""
    remote = _REMOTE.fullmatch(source)
    if remote is None or _is_local(source):
        return Path(source).expanduser().absolute()
    return _repository(remote["repository"], remote["revision"], models, file)


def _file(source: str, models: Path) -> Path:
    remote = _REMOTE_FILE.fullmatch(source)
    if remote is None or _is_local(source):
        return Path(source).expanduser().absolute()
    file = _repository(remote["repository"], None, models, remote["file"]) / remote["file"]
    if not file.is_file():
        raise WeightsUnavailable(f"{source} is not here: run `fluxhouse models pull {source}`.")
    return file


def _is_local(source: str) -> bool:
    return source.startswith(("/", ".", "~")) or os.path.exists(source)


def _repository(repository: str, revision: str | None, models: Path, file: str) -> Path:
    folder = folder_of(models, repository)
    pulled = read_marker(folder)
    if pulled is not None and (revision in (None, pulled.branch) or pulled.revision.startswith(str(revision))):
        return folder
    cached = _cached(repository, revision or "main", file)
    if cached is None:
        wanted = repository if revision is None else f"{repository}@{revision}"
        raise WeightsUnavailable(f"{wanted} is not here: run `fluxhouse models pull {wanted}`.")
    return cached


def _cached(repository: str, revision: str, file: str) -> Path | None:
    """The snapshot of a revision in the cache that huggingface_hub keeps, where it has that file."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub") / f"models--{repository.replace('/', '--')}"
    try:
        commit = (cache / "refs" / revision).read_text().strip()
    except OSError:
        commit = revision
    snapshot = cache / "snapshots" / commit
    return snapshot if (snapshot / file).is_file() else None
