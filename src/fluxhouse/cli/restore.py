"""`fluxhouse restore`: an empty data folder filled from a back-up, and proved to add up."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import typer

from fluxhouse.assembly import make_data_folder
from fluxhouse.cli import archive as archives
from fluxhouse.cli.opening import DataFolder, Refusal
from fluxhouse.core import reconcile as accounting
from fluxhouse.database.copying import CopyDamaged, check_database
from fluxhouse.database.database import Database
from fluxhouse.database.lock import FolderLock
from fluxhouse.settings import Settings, read_settings


def restore(
    file: Annotated[Path, typer.Argument(help="What `fluxhouse backup` wrote.")], folder: DataFolder = None
) -> None:
    """Fill an empty data folder from a back-up; exit code 1 where its credits do not add up."""
    settings = read_settings(data=folder)
    database = archives.embedded_database(settings)
    make_data_folder(settings)
    lock = FolderLock(settings.data_folder / "lock")
    lock.acquire()
    try:
        _require_empty(settings, database)
        with _undone_on_failure(settings, database):
            about, count = _unpack(file, settings, database)
        typer.echo(f"restored what version {about.get('version')} held at {about.get('at')}, with {count} files")
        _prove(settings)
    finally:
        lock.release()


def _require_empty(settings: Settings, database: Path) -> None:
    """Raise `Refusal` where anything would be replaced or mixed up."""
    if any(path.name != "lock" for path in settings.data_folder.iterdir()):
        raise Refusal(f"{settings.data_folder} is not empty: a back-up is restored into a new folder")
    if database.exists():
        raise Refusal(f"there is a database at {database} already")
    files = archives.files_folder(settings)
    if files is not None and next(archives.stored_keys(files), None) is not None:
        raise Refusal(f"{files} is not empty: a back-up is restored into a new folder")


@contextmanager
def _undone_on_failure(settings: Settings, database: Path) -> Iterator[None]:
    """Leave nothing half restored behind; the folders were empty before."""
    try:
        yield
    except BaseException:
        for path in (database, _unfinished(database), *(settings.data_folder / name for name in archives.PRIVATE)):
            path.unlink(missing_ok=True)
        if (files := archives.files_folder(settings)) is not None:
            for entry in files.iterdir() if files.exists() else ():
                shutil.rmtree(entry, ignore_errors=True)
        raise


def _unpack(file: Path, settings: Settings, database: Path) -> tuple[dict[str, str | int], int]:
    """What the archive says of itself, and how many pictures it held. The database gets its name last."""
    files, count = archives.files_folder(settings), 0
    try:
        with tarfile.open(file, "r:") as archive:
            about = archives.read_about(archive)
            while (member := archive.next()) is not None:
                name, content = archives.key_of(member), archive.extractfile(member)
                assert content is not None, "a regular file"
                if name == archives.DATABASE:
                    _keep(content, _unfinished(database))
                elif name in archives.PRIVATE:
                    _keep(content, settings.data_folder / name)
                elif files is not None:
                    _keep(content, files / name.removeprefix(archives.FILES))
                    count += 1
        check_database(_unfinished(database))
    except (tarfile.TarError, EOFError, CopyDamaged) as error:
        raise Refusal(f"{file} is damaged or no back-up: {error}") from error
    except OSError as error:
        raise Refusal(f"cannot restore {file}: {error.strerror or error}") from error
    _unfinished(database).rename(database)
    return about, count


def _keep(content: IO[bytes], path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        shutil.copyfileobj(content, out, 1 << 20)
        out.flush()
        os.fsync(out.fileno())


def _prove(settings: Settings) -> None:
    """Bring the database up to this version and prove its credits."""
    database = Database(settings.database_address)
    try:
        database.migrate()
        with database.snapshot() as connection:
            drifts = accounting.reconcile(connection)
    finally:
        database.close()
    typer.echo(f"{len(drifts)} drifts")
    if drifts:
        raise typer.Exit(1)


def _unfinished(database: Path) -> Path:
    return database.with_name(f".{database.name}-restoring")
