"""`fluxhouse backup`: the whole of an embedded installation in one file, also while it serves."""

from __future__ import annotations

import os
import re
import tarfile
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from fluxhouse.cli import archive as archives
from fluxhouse.cli.opening import DataFolder, Refusal
from fluxhouse.core import jobs
from fluxhouse.database.copying import CopyDamaged, copy_database
from fluxhouse.database.database import Database
from fluxhouse.settings import Settings, read_settings

_OUTPUT = re.compile(r"outputs/([0-9a-f]{32})/")


def backup(
    file: Annotated[Path, typer.Argument(help="The tar file to write; it holds the secret, so keep it safe.")],
    folder: DataFolder = None,
) -> None:
    """Write database, pictures and secret of a data folder to one file, also while it serves."""
    settings = read_settings(data=folder)
    database = archives.embedded_database(settings)
    if not database.exists():
        raise Refusal(f"there is no database at {database}")
    if file.exists():
        raise Refusal(f"{file} exists; a back-up replaces nothing")
    try:
        with tempfile.TemporaryDirectory(dir=file.absolute().parent, prefix=".fluxhouse-backup-") as beside:
            count = _write(Path(beside) / "tar", Path(beside) / archives.DATABASE, database, settings)
            (Path(beside) / "tar").rename(file)  # Whole or not at all.
            _sync_folder(file.absolute().parent)
    except CopyDamaged as error:
        raise Refusal(f"the database is damaged: {error}") from error
    except OSError as error:
        raise Refusal(f"cannot write {file}: {error.strerror}") from error
    typer.echo(f"{file}: the database, {count} files, {file.stat().st_size:,} bytes")
    for line in _left_out(settings):
        typer.echo(line)


def _write(tar: Path, copy: Path, database: Path, settings: Settings) -> int:
    """Write the archive; how many pictures are in it.

    The database comes first: a file it knows is there afterwards too, or was removed because its time was over.
    """
    copy.touch(mode=0o600)
    copy_database(database, copy)
    tar.touch(mode=0o600)
    with tar.open("wb") as out:
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
            archives.add_about(archive, {"version": version("fluxhouse"), "at": datetime.now(UTC).isoformat()})
            archives.add_file(archive, copy, archives.DATABASE)
            for name in archives.PRIVATE:
                archives.add_file(archive, settings.data_folder / name, name)
            count = _add_pictures(archive, archives.files_folder(settings), copy)
        out.flush()
        os.fsync(out.fileno())
    return count


def _add_pictures(archive: tarfile.TarFile, folder: Path | None, copy: Path) -> int:
    """Add what the store holds, but for outputs of jobs younger than the copy of the database."""
    count = 0
    if folder is not None:
        database = Database(f"sqlite:///{copy}")
        try:
            with database.snapshot() as connection:
                for key in archives.stored_keys(folder):
                    output = _OUTPUT.match(key)
                    if output is None or jobs.find(connection, output[1]) is not None:
                        count += archives.add_file(archive, folder / key, archives.FILES + key)
        finally:
            database.close()
    return count


def _left_out(settings: Settings) -> list[str]:
    """What else a restored installation needs, in sentences."""
    left_out = []
    if settings.secret is not None:
        left_out.append("FLUXHOUSE_SECRET is not in it: keep it elsewhere, no key works without it.")
    if archives.files_folder(settings) is None:
        left_out.append("The bucket's pictures are not in it: see docs/howto/backup.md.")
    return left_out


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
