"""The store that a URL names."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Protocol, cast
from urllib.parse import unquote

from fluxhouse.storage.buckets import SCHEME
from fluxhouse.storage.local import LocalStorage
from fluxhouse.storage.storage import Listing, Storage

_COPIES = ".copies"  # No key begins with a dot, so files that lay in the folder before stay apart from copies.


class Store(Storage, Listing, Protocol):
    """A place for bytes that can also say what it holds."""


class ExtraMissing(RuntimeError):
    """What the storage URL asks for is not part of this installation."""


def open_storage(url: str | None, folder: Path) -> Store:
    """The store at `url`: None is `folder` itself, `/absolute/folder` and `file:///absolute/folder` another one, and
    `s3://…` a bucket, of which `folder` keeps local copies.

    Nothing is reached for yet. Raises ValueError for any other URL, and ExtraMissing where a bucket is named and
    obstore is not installed.
    """
    if url is None:
        return LocalStorage(folder)
    if url.startswith(SCHEME):
        return _bucket(url, folder / _COPIES)
    if url.startswith(("/", "file:///")):
        return LocalStorage(Path(unquote(url.removeprefix("file://"))))
    raise ValueError("must be /absolute/folder, file:///absolute/folder or s3://bucket[/prefix]")


def _bucket(url: str, cache: Path) -> Store:
    # Loaded by name, since the base install lacks obstore and must import this module all the same.
    try:
        s3 = import_module("fluxhouse.storage.s3")
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] != "obstore":
            raise
        raise ExtraMissing("an s3:// storage needs the extra s3: pip install 'fluxhouse[s3]'") from missing
    return cast("Store", s3.S3Storage(url, cache))
