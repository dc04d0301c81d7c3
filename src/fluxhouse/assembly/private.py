"""What only this installation may know: its data folder, its secret and what is derived from it."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from fluxhouse.settings import Settings

_PEPPER = b"fluxhouse api keys 1"  # keeps what the secret does for keys apart from what it does for URLs


def read_secret(settings: Settings) -> bytes:
    """The installation's secret: `FLUXHOUSE_SECRET`, or the data folder's own, made where there is none yet."""
    if settings.secret is not None:
        return settings.secret.get_secret_value().encode()
    path = settings.data_folder / "secret"
    if not path.exists():
        with suppress(FileExistsError):
            write_private(path, secrets.token_hex(32) + "\n", replace=False)
    return path.read_text().strip().encode()


def pepper(secret: bytes) -> bytes:
    """What API keys are hashed with."""
    return hmac.digest(secret, _PEPPER, hashlib.sha256)


def make_data_folder(settings: Settings) -> None:
    """Make the data folder where it is missing; prompts and pictures are nobody else's to read."""
    settings.data_folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def write_private(path: Path, content: str, *, replace: bool) -> None:
    """Write a file that only its owner can read, whole or not at all; FileExistsError unless it may be replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with open(descriptor, "w") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            os.replace(partial, path)
        else:
            os.link(partial, path)
    finally:
        Path(partial).unlink(missing_ok=True)
