"""What a back-up is: one tar file with the database, the secret and the files of an embedded installation."""

from __future__ import annotations

import io
import json
import os
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from fluxhouse.cli.opening import Refusal
from fluxhouse.settings import Settings

FORMAT = 1
ABOUT = "about.json"
DATABASE = "fluxhouse.db"
PRIVATE = ("secret", "demo-key")
FILES = "files/"


def embedded_database(settings: Settings) -> Path:
    """The SQLite file of this installation; raises `Refusal` where its database is another."""
    if not settings.database_address.startswith("sqlite:///"):
        raise Refusal("back-up and restore are for SQLite: with PostgreSQL use pg_dump (docs/howto/backup.md)")
    return Path(settings.database_address.removeprefix("sqlite:///"))


def files_folder(settings: Settings) -> Path | None:
    """Where this installation keeps its pictures; None where that is a bucket, which has its own back-up."""
    url = settings.storage_url
    if url is None:
        return settings.data_folder / "files"
    return None if url.startswith("s3://") else Path(unquote(url.removeprefix("file://")))


def stored_keys(folder: Path) -> Iterator[str]:
    """Every file's name below `folder`; names that begin with a dot are no files of the store."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield (Path(parent) / name).relative_to(folder).as_posix()


def add_file(archive: tarfile.TarFile, path: Path, name: str) -> bool:
    """Add a file as it is now, readable by its owner alone; False where it has just gone."""
    try:
        with path.open("rb") as file:
            archive.addfile(_member(name, os.fstat(file.fileno()).st_size), file)
    except FileNotFoundError:
        return False
    return True


def add_about(archive: tarfile.TarFile, about: dict[str, str | int]) -> None:
    """Add the page that says what this archive is; it comes first."""
    content = json.dumps({"format": FORMAT, **about}, indent=2).encode() + b"\n"
    archive.addfile(_member(ABOUT, len(content)), io.BytesIO(content))


def read_about(archive: tarfile.TarFile) -> dict[str, str | int]:
    """The first page of an archive; raises `Refusal` where it is no back-up that this version knows."""
    member = archive.next()
    page = archive.extractfile(member) if member is not None and member.name == ABOUT else None
    try:
        about = json.loads(page.read()) if page is not None else {}
    except ValueError:
        about = {}
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise Refusal("this is no back-up that `fluxhouse backup` of this version wrote")
    return about


def key_of(member: tarfile.TarInfo) -> str:
    """The name of an archive's member, checked: one of ours, and nowhere but below the data folder."""
    parts = member.name.split("/")
    known = member.name in (DATABASE, *PRIVATE) or (member.name.startswith(FILES) and len(parts) > 1)
    if not known or not member.isfile() or any(part.startswith(".") or not part for part in parts):
        raise Refusal(f"the archive holds {member.name!r}, which no back-up does")
    return member.name


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, 0o600, int(time.time())
    return member
