"""Fetching a checkpoint from a hub: safetensors only, resumed where it broke off, checked, and whole or not there."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, OfflineModeIsEnabled, RepositoryNotFoundError
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # Documented, though not listed.

from fluxhouse.engine.checkers import CHECKER_FILES, CHECKER_STEM, examine_checker
from fluxhouse.engine.checkpoints import OTHER_PARTS, WEIGHT_FILES, examine
from fluxhouse.engine.headers import Damaged, read_header
from fluxhouse.engine.memory import gigabytes
from fluxhouse.engine.pulled import (
    MARKER,
    LicenceTerms,
    Pulled,
    RemoteFile,
    folder_of,
    list_pulled,
    unfinished_folder,
)
from fluxhouse.generation.errors import WeightsUnavailable

_PARTS = "|".join((*WEIGHT_FILES, *OTHER_PARTS))
_WANTED = re.compile(rf"model_index\.json|LICENSE[\w.-]*|({_PARTS})/[\w-]+(\.[\w-]+)*\.(json|txt|model)")
_WEIGHTS = {
    part: re.compile(rf"{part}/{stem}(-\d{{5}}-of-\d{{5}})?\.safetensors") for part, stem in WEIGHT_FILES.items()
}
_CHECKER = re.compile(rf"LICENSE[\w.-]*|{CHECKER_STEM}(-\d{{5}}-of-\d{{5}})?\.safetensors(\.index\.json)?")
_OPEN_LICENCES = frozenset({"apache-2.0", "mit", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "openrail"})
_SPARE_BYTES = 10**9


class Hub:
    """One hub, by its address (None: Hugging Face's) and a token for gated repositories (None: HF_TOKEN's)."""

    def __init__(self, endpoint: str | None = None, token: str | None = None) -> None:
        self._endpoint = endpoint
        self._token = token

    def look(
        self, repository: str, revision: str | None = None, file: str | None = None, beside: Pulled | None = None
    ) -> Pulled:
        """What would be pulled: a whole checkpoint or safety checker, or that one file; with what is here `beside` it.

        Raises WeightsUnavailable.
        """
        with _hub_errors(repository):
            facts = HfApi(self._endpoint, self._token).model_info(repository, revision=revision, files_metadata=True)
        offered = {one.rfilename: _remote(one) for one in facts.siblings or ()}
        names = _single(repository, offered, file) if file is not None else _whole(repository, offered)
        if beside is not None:
            names = sorted({*names, *(one.name for one in beside.files if one.name in offered)})
        licence = _licence_of(facts, f"{self._endpoint or 'https://huggingface.co'}/{repository}")
        return Pulled(repository, revision or "main", str(facts.sha), licence, tuple(offered[name] for name in names))

    def pull(self, wanted: Pulled, models: Path, report: Callable[[str], None] = lambda _: None) -> Path:
        """Bring the files here, each told to `report`, and return their folder, in which all of them are whole.

        What an earlier pull left is taken up, and what another checkpoint has already is shared with it on disk.
        Raises WeightsUnavailable; what has come by then is kept for the next time.
        """
        unfinished = unfinished_folder(models, wanted.repository)
        unfinished.mkdir(parents=True, exist_ok=True)
        with _alone(unfinished, wanted.repository):
            _link_known(wanted, models, unfinished)
            _require_space(wanted, unfinished)
            for number, file in enumerate(wanted.files, start=1):
                report(f"{number}/{len(wanted.files)}  {file.name}  {gigabytes(file.size_bytes)}")
                self._fetch(wanted, file, unfinished)
            return _put_in_place(wanted, unfinished, folder_of(models, wanted.repository))

    def _fetch(self, wanted: Pulled, file: RemoteFile, unfinished: Path) -> None:
        """Have the file under its digest's name, whole and checked."""
        whole = unfinished / file.digest
        if whole.exists():
            return
        partial = unfinished / f"{file.digest}.part"
        with _hub_errors(wanted.repository):
            url = hf_hub_url(wanted.repository, file.name, revision=wanted.revision, endpoint=self._endpoint)
            found = get_hf_file_metadata(url, token=self._token, endpoint=self._endpoint)
            headers = build_hf_headers(token=self._token)
            if urlsplit(found.location).netloc != urlsplit(url).netloc:
                headers.pop("authorization", None)  # The token is the hub's, not its store's.
            with partial.open("ab") as opened:
                http_get(
                    found.location,
                    opened,
                    resume_size=opened.tell(),
                    headers=headers,
                    expected_size=file.size_bytes,
                    displayed_filename=file.name,
                )
        if _digest(partial, file) != file.digest:
            partial.unlink()
            raise WeightsUnavailable(f"{wanted.repository}: {file.name} came damaged and was thrown away; pull again.")
        partial.rename(whole)


def _remote(sibling: Any) -> RemoteFile:
    large = sibling.lfs is not None
    return RemoteFile(sibling.rfilename, int(sibling.size or 0), str(sibling.lfs.sha256 if large else sibling.blob_id))


def _whole(repository: str, offered: dict[str, RemoteFile]) -> list[str]:
    """The files of a diffusers checkpoint, its weights as safetensors in one precision, or those of a classifier."""
    if "model_index.json" not in offered and offered.keys() >= {*CHECKER_FILES}:
        return _classifier(repository, offered)
    if "model_index.json" not in offered:
        raise WeightsUnavailable(
            f"{repository} is not a diffusers checkpoint: it has no model_index.json. A single file is named as "
            f"{repository}/FILE.safetensors."
        )
    chosen = [name for name in offered if _WANTED.fullmatch(name)]
    for part, pattern in _WEIGHTS.items():
        weights = [name for name in offered if pattern.fullmatch(name)]
        if not weights:
            others = [
                name for name in offered if name.startswith(f"{part}/") and name.endswith((".bin", ".pt", ".ckpt"))
            ]
            instead = f", only {others[0]}, which may hold programs" if others else ""
            raise WeightsUnavailable(f"{repository} has no safetensors weights for {part}{instead}.")
        chosen += weights
    return sorted(chosen)


def _classifier(repository: str, offered: dict[str, RemoteFile]) -> list[str]:
    chosen = [name for name in offered if name in CHECKER_FILES or _CHECKER.fullmatch(name)]
    if not any(name.endswith(".safetensors") for name in chosen):
        raise WeightsUnavailable(f"{repository} has no safetensors weights.")
    return sorted(chosen)


def _single(repository: str, offered: dict[str, RemoteFile], file: str) -> list[str]:
    if file not in offered or not file.endswith(".safetensors"):
        there = ", ".join(name for name in sorted(offered) if name.endswith(".safetensors")) or "none"
        raise WeightsUnavailable(f"{repository} has no {file}; its safetensors files are: {there}.")
    return [file, *(name for name in sorted(offered) if re.fullmatch(r"LICENSE[\w.-]*", name))]


def _licence_of(facts: Any, page: str) -> LicenceTerms:
    """The licence as the repository's card has it; what is not known to be open counts as non-commercial."""
    card = facts.card_data or {}
    short = str(card.get("license") or "no licence named")
    name = str(card.get("license_name") or short) if short == "other" else short
    url = str(card.get("license_link") or page)
    if not url.startswith("http"):
        url = f"{page}/blob/main/{url}"
    return LicenceTerms(name, url, gated=bool(facts.gated), commercial_use=short in _OPEN_LICENCES)


def _link_known(wanted: Pulled, models: Path, unfinished: Path) -> None:
    """Take files from other checkpoints that have the same: FLUX.1 models share most of theirs."""
    here = {
        file.digest: folder_of(models, pulled.repository) / file.name
        for pulled in list_pulled(models)
        for file in pulled.files
    }
    for file in wanted.files:
        path = here.get(file.digest)
        if path is not None and path.is_file() and not (unfinished / file.digest).exists():
            os.link(path, unfinished / file.digest)


def _require_space(wanted: Pulled, unfinished: Path) -> None:
    here = sum(path.stat().st_size for path in unfinished.iterdir())
    needed, free = wanted.size_bytes - here, shutil.disk_usage(unfinished).free
    if needed + _SPARE_BYTES > free:
        raise WeightsUnavailable(
            f"{wanted.repository} needs another {gigabytes(needed)} on disk, and {gigabytes(free)} are free."
        )


def _digest(path: Path, file: RemoteFile) -> str:
    with path.open("rb") as opened:
        if len(file.digest) == 64:
            return hashlib.file_digest(opened, "sha256").hexdigest()
        # How Git names a blob, which is all a hub says of a small file.
        named = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
        named.update(opened.read())
        return named.hexdigest()


def _put_in_place(wanted: Pulled, unfinished: Path, folder: Path) -> Path:
    """Give the files their names in a new folder, look whether it loads, mark it, and make it the checkpoint's own."""
    fresh = unfinished / "new"
    shutil.rmtree(fresh, ignore_errors=True)
    for file in wanted.files:
        path = fresh / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(unfinished / file.digest, path)
    _require_sound(wanted.files, fresh)
    with (fresh / MARKER).open("w") as marker:
        json.dump(wanted.to_json(), marker, indent=1)
        marker.flush()
        os.fsync(marker.fileno())
    replaced = unfinished / "old"
    shutil.rmtree(replaced, ignore_errors=True)
    if folder.exists():
        folder.rename(replaced)
    fresh.rename(folder)
    shutil.rmtree(unfinished)
    return folder


def _require_sound(files: Sequence[RemoteFile], folder: Path) -> None:
    if (folder / "model_index.json").exists():
        examine(folder)
    elif (folder / CHECKER_FILES[0]).exists():
        examine_checker(folder)
    for file in files:
        if file.name.endswith(".safetensors"):
            try:
                read_header(folder / file.name)
            except Damaged as error:
                raise WeightsUnavailable(f"{error}.") from error


@contextmanager
def _alone(unfinished: Path, repository: str) -> Iterator[None]:
    with (unfinished / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise WeightsUnavailable(f"{repository} is being pulled by another process.") from error
        yield


@contextmanager
def _hub_errors(repository: str) -> Iterator[None]:
    """Foreign errors of the hub as our own, each with what to do."""
    try:
        yield
    except GatedRepoError as error:
        raise WeightsUnavailable(
            f"{repository} is gated: accept its licence on its page, and set FLUXHOUSE_HF_TOKEN to a token of who did."
        ) from error
    except RepositoryNotFoundError as error:
        raise WeightsUnavailable(f"The hub has no {repository}, or shows it only to a token with access.") from error
    except OfflineModeIsEnabled as error:
        raise WeightsUnavailable("HF_HUB_OFFLINE is set, so that nothing can be pulled.") from error
    except (HfHubHTTPError, httpx2.HTTPError, OSError) as error:
        raise WeightsUnavailable(f"{repository} could not be pulled: {error}".splitlines()[0]) from error
