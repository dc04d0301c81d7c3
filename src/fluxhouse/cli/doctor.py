"""`fluxhouse doctor`: what works here, and what to do about the rest."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import stat
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer

from fluxhouse.assembly import ENGINE_PACKAGES, make_backends, make_upsampler
from fluxhouse.catalog.catalog import Catalog
from fluxhouse.cli.findings import Finding, show_findings
from fluxhouse.cli.logs import log_by
from fluxhouse.cli.models_doctor import weights
from fluxhouse.cli.opening import DataFolder
from fluxhouse.database.database import Database
from fluxhouse.database.lock import FolderLock
from fluxhouse.database.migrate import current_revision, head_revision
from fluxhouse.generation.errors import PlatformError
from fluxhouse.settings import Settings, SettingsRefused, read_settings

_LEAST_FREE_BYTES = 2 * 10**9


def doctor(
    deep: Annotated[bool, typer.Option("--deep", help="Start the engine and make a test image, too.")] = False,
    folder: DataFolder = None,
) -> None:
    """Say what works here and what to do about the rest; exit code 1 where something must be done first."""
    settings = read_settings(data=folder)
    log_by(settings.model_copy(update={"log_level": "error"}))
    show_findings(list(_examine(settings, deep)))


def _examine(settings: Settings, deep: bool) -> Iterator[Finding]:
    yield _python()
    yield from _packages()
    yield _device(settings)
    yield _folder(settings.data_folder)
    yield _disk(settings.data_folder)
    yield _secret(settings)
    yield _database(settings)
    yield _lock(settings)
    models = _models(settings)
    yield models
    if not models.fatal:
        yield from _providers(settings)
    yield from weights(settings)
    yield _upsampler(settings)
    if deep and not models.fatal:
        yield asyncio.run(_test_image(settings))


def _python() -> Finding:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} processors"
    return Finding("python", found)


def _packages() -> Iterator[Finding]:
    for name in ENGINE_PACKAGES:
        try:
            yield Finding(name, version(name))
        except PackageNotFoundError:
            yield Finding(name, "not installed", "pip install 'fluxhouse[engine]', or serve with --no-worker")


def _device(settings: Settings) -> Finding:
    if settings.device == "cpu" and Path("/proc/driver/nvidia/version").exists():
        return Finding("device", "cpu, though there is an NVIDIA GPU", "set FLUXHOUSE_DEVICE=cuda to use it")
    return Finding("device", settings.device)


def _folder(folder: Path) -> Finding:
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        return Finding("data folder", f"{folder} cannot be written", "take another --data, or mend its owner", True)
    return Finding("data folder", str(folder) if nearest == folder else f"{folder}, made at the first start")


def _disk(folder: Path) -> Finding:
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(nearest).free
    found = f"{free / 10**9:.1f} GB free"
    if free < _LEAST_FREE_BYTES:
        return Finding("disk", found, "make room: submits fail once the disk is full", fatal=free < 10**8)
    return Finding("disk", found)


def _secret(settings: Settings) -> Finding:
    if settings.secret is not None:
        return Finding("secret", "from FLUXHOUSE_SECRET")
    path = settings.data_folder / "secret"
    if not path.exists():
        return Finding("secret", f"{path}, made at the first start")
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        return Finding("secret", f"{path} can be read by others", f"chmod 600 {path}")
    return Finding("secret", str(path))


def _database(settings: Settings) -> Finding:
    path = settings.database_name
    if not settings.is_fleet and not Path(path).exists():
        return Finding("database", f"{path}, made at the first start")
    database = Database(settings.database_address)
    try:
        with database.snapshot() as connection:
            revision, head = current_revision(connection), head_revision()
    finally:
        database.close()
    if revision != head:
        return Finding("database", f"{path} at {revision}, not {head}", "the next serve brings it up to date")
    return Finding("database", f"{path} at {revision}")


def _lock(settings: Settings) -> Finding:
    if settings.is_fleet:
        return Finding("lock", "none is needed: any number of processes may serve and work on PostgreSQL")
    holder = FolderLock(settings.data_folder / "lock").holder()
    if holder is None:
        return Finding("lock", "free: nobody serves this data folder")
    return Finding("lock", f"held by process {holder or 'unknown'}, which serves this data folder")


def _models(settings: Settings) -> Finding:
    try:
        serving = make_backends(settings, Catalog.load()).serving
    except SettingsRefused as error:
        return Finding("models", str(error), f"mend {str(error).partition(':')[0]}", fatal=True)
    names = ", ".join(sorted({facts.backend for facts in serving.values()}))
    return Finding("models", f"{len(serving)} served by {names}")


def _providers(settings: Settings) -> Iterator[Finding]:
    """What each provider is sent for, and where; nothing is sent now."""
    made = make_backends(settings, Catalog.load())
    for provider in made.providers:
        twice = "keeps idempotency keys" if provider.options.exact else "keeps no idempotency keys"
        models = ", ".join(f"{ours} as {theirs}" for ours, theirs in provider.models.items())
        where = f"{provider.vendor.host.url}, {provider.slots} images at once, {twice}"
        yield Finding("provider", f"{provider.name} at {where}: {models}")


def _upsampler(settings: Settings) -> Finding:
    """Which language model writes prompts out; it is asked nothing now."""
    upsampler = make_upsampler(settings)
    if upsampler is None:
        return Finding("upsampler", "none: prompt_upsampling is refused")
    return Finding("upsampler", f"{upsampler.model} at {upsampler.host.url}")


async def _test_image(settings: Settings) -> Finding:
    """Start every engine once, which makes its test image."""
    started = time.monotonic()
    for engine in make_backends(settings, Catalog.load()).engines:
        try:
            await engine.start()
        except PlatformError as error:
            return Finding("engine", error.message, "see the packages, the device and FLUXHOUSE_MODELS above", True)
        finally:
            await engine.close()
    return Finding("engine", f"made a test image, {time.monotonic() - started:.1f} s with loading")
