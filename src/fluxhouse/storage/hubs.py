"""Where a LoRA that a caller names is to be had: on Hugging Face, on CivitAI, or at an address of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit

from fluxhouse.generation.errors import LoraRefused
from fluxhouse.storage.fetch import Fetcher

SUFFIX = ".safetensors"
_LISTING_BYTES = 8 << 20
_LISTING_SECONDS = 20.0
_SHOWN = 5  # of the files among which a caller must choose

_HUB_HOSTS = {"huggingface.co", "www.huggingface.co", "hf.co"}
_CIVITAI_HOSTS = {"civitai.com", "www.civitai.com"}
_SEGMENT = r"[0-9A-Za-z][0-9A-Za-z._-]{0,95}"
_REPOSITORY = re.compile(rf"({_SEGMENT})/({_SEGMENT})(?:/(.+))?")
_REVISION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,99}")
_CIVITAI = re.compile(r"(?:urn:air:[!-~]*:)?civitai:([0-9]{1,12})(?:@([0-9]{1,12}))?")
_NUMBER = re.compile(r"[0-9]{1,12}")
_USUAL_NAMES = ("pytorch_lora_weights.safetensors", "lora.safetensors", "adapter_model.safetensors")


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a Hugging Face repository; without a name, the one LoRA that is in it."""

    owner: str
    name: str
    revision: str
    file: str | None


@dataclass(frozen=True, slots=True)
class CivitaiVersion:
    """A version of a model on CivitAI, by one number or both; without a version, the newest for FLUX.1."""

    model: str | None
    version: str | None


@dataclass(frozen=True, slots=True)
class Address:
    """A file anywhere, by its URL."""

    url: str


Place = HubFile | CivitaiVersion | Address


@dataclass(frozen=True, slots=True)
class HubOptions:
    """Where the hubs are reached, and the operator's tokens, which are shown to nobody else."""

    hf_url: str = "https://huggingface.co"
    hf_token: str | None = None
    civitai_url: str = "https://civitai.com"
    civitai_token: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A URL to fetch, with the token that its host is shown."""

    url: str
    token: str | None = None


class Hubs:
    """Reads what callers write, and asks the hubs which file is meant where that leaves it open."""

    def __init__(self, fetcher: Fetcher, options: HubOptions) -> None:
        self._fetcher = fetcher
        self._options = options
        self._hf_hosts = _HUB_HOSTS | {_netloc(options.hf_url)}
        self._civitai_hosts = _CIVITAI_HOSTS | {_netloc(options.civitai_url)}

    def place(self, reference: str, field: str) -> Place:
        """What `reference` names, equal for equal places; nothing is asked of anybody. Raises `LoraRefused`."""
        civitai = _CIVITAI.fullmatch(reference)
        if civitai is not None:
            return CivitaiVersion(civitai[1], civitai[2])
        if reference.partition("/")[0] in _HUB_HOSTS | _CIVITAI_HOSTS:
            reference = f"https://{reference}"
        if not reference.lower().startswith(("http://", "https://")):
            return _repository(reference, field)
        try:
            parts = urlsplit(reference)
        except ValueError:
            raise refused(field, "is not a URL") from None
        if parts.netloc.lower() in self._hf_hosts:
            return _hub_url(parts, field)
        if parts.netloc.lower() in self._civitai_hosts:
            return _civitai_url(parts, field)
        if not unquote(parts.path).lower().endswith(SUFFIX):
            raise refused(field, f"must be the address of a {SUFFIX} file; no other format is read")
        return Address(reference)

    async def source(self, place: Place, field: str) -> Source:
        """Where the file is to be fetched; raises `RequestRejected` where a hub does not say."""
        match place:
            case HubFile():
                return await self._hub_source(place, field)
            case CivitaiVersion():
                return await self._civitai_source(place, field)
            case Address(url):
                return Source(url)

    async def _hub_source(self, place: HubFile, field: str) -> Source:
        options = self._options
        file = place.file or await self._only_file(place, field)
        path = f"{place.owner}/{place.name}/resolve/{quote(place.revision, safe='')}/{quote(file)}"
        return Source(f"{options.hf_url}/{path}", options.hf_token)

    async def _only_file(self, place: HubFile, field: str) -> str:
        address = f"{self._options.hf_url}/api/models/{place.owner}/{place.name}"
        address += "" if place.revision == "main" else f"/revision/{quote(place.revision, safe='')}"
        listing = await self._listing(address, self._options.hf_token, field)
        names = [name for entry in _dicts(listing.get("siblings")) if isinstance(name := entry.get("rfilename"), str)]
        files = [name for name in names if name.lower().endswith(SUFFIX) and _is_path(name)]
        usual = [name for name in _USUAL_NAMES if name in files]
        if len(files) == 1 or usual:
            return (usual or files)[0]
        if not files:
            raise refused(field, f"names a repository without a {SUFFIX} file")
        shown = ", ".join(files[:_SHOWN]) + (", ..." if len(files) > _SHOWN else "")
        raise refused(field, f"names a repository with several files: add one as owner/name/file, of {_plain(shown)}")

    async def _civitai_source(self, place: CivitaiVersion, field: str) -> Source:
        options = self._options
        version = place.version or await self._newest_version(place, field)
        url = f"{options.civitai_url}/api/download/models/{version}?type=Model&format=SafeTensor"
        return Source(url, options.civitai_token)

    async def _newest_version(self, place: CivitaiVersion, field: str) -> str:
        address = f"{self._options.civitai_url}/api/v1/models/{place.model}"
        listing = await self._listing(address, self._options.civitai_token, field)
        for version in _dicts(listing.get("modelVersions")):
            if str(version.get("baseModel")).startswith("Flux.1") and _NUMBER.fullmatch(str(version.get("id"))):
                return str(version["id"])
        raise refused(field, "names a model on CivitAI without a version for FLUX.1")

    async def _listing(self, url: str, token: str | None, field: str) -> Mapping[str, Any]:
        content = await self._fetcher.get(url, _LISTING_BYTES, _LISTING_SECONDS, field, token)
        try:
            listing = json.loads(content)
        except (ValueError, RecursionError):
            listing = None
        if not isinstance(listing, dict):
            raise refused(field, "could not be looked up: the hub's answer makes no sense")
        return listing


def spelled(place: Place) -> str:
    """A place as it may be shown: of a URL neither query nor credentials, which may open more than this file."""
    match place:
        case HubFile(owner, name, revision, file):
            at = "" if revision == "main" else f"@{revision}"
            return f"{owner}/{name}{at}" + (f"/{file}" if file else "")
        case CivitaiVersion(model, version):
            return f"civitai:{model or ''}" + (f"@{version}" if version else "")
        case Address(url):
            parts = urlsplit(url)
            return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def name_of(place: Place) -> str:
    """What a LoRA from there may be called."""
    match place:
        case HubFile(name=name, file=file):
            return name if file is None or file in _USUAL_NAMES else _stem(file)
        case CivitaiVersion(model, version):
            return f"civitai-{model or version}"
        case Address(url):
            return _stem(unquote(urlsplit(url).path))


def refused(field: str, reason: str) -> LoraRefused:
    """The error for a LoRA in parameter `field` that `reason` speaks against."""
    return LoraRefused(f"{field} {reason}.", field=field)


def _repository(reference: str, field: str) -> HubFile:
    match = _REPOSITORY.fullmatch(reference)
    if match is None:
        raise refused(field, "must be owner/name or owner/name/file on Hugging Face")
    return HubFile(match[1], match[2], "main", _checked_file(match[3], field))


def _hub_url(parts: SplitResult, field: str) -> HubFile:
    match = _REPOSITORY.fullmatch(unquote(parts.path).strip("/"))
    if match is None or match[1] in ("api", "datasets", "spaces"):
        raise refused(field, "must lead to a model repository on Hugging Face, or to a file in one")
    rest, revision = match[3], "main"
    kind, _, behind = (rest or "").partition("/")
    if kind in ("blob", "resolve", "tree") and behind:
        revision, _, rest = behind.partition("/")
        if not _REVISION.fullmatch(revision):
            raise refused(field, "names a revision that is not letters, digits and . _ -")
    return HubFile(match[1], match[2], revision, _checked_file(rest or None, field))


def _civitai_url(parts: SplitResult, field: str) -> CivitaiVersion:
    version = parse_qs(parts.query).get("modelVersionId", [None])[0]
    match parts.path.strip("/").split("/"):
        case ["models", model, *_] if _NUMBER.fullmatch(model) and (version is None or _NUMBER.fullmatch(version)):
            return CivitaiVersion(model, version)
        case ["api", "download", "models", number] if _NUMBER.fullmatch(number):
            return CivitaiVersion(None, number)
    raise refused(field, "must be like civitai.com/models/123 or civitai.com/models/123?modelVersionId=456")


def _checked_file(file: str | None, field: str) -> str | None:
    if file is not None and not (file.lower().endswith(SUFFIX) and _is_path(file)):
        raise refused(field, f"must name a {SUFFIX} file; no other format is read")
    return file


def _is_path(file: str) -> bool:
    parts = file.split("/")
    return len(file) <= 1000 and file.isprintable() and not any(part in ("", ".", "..") for part in parts)


def _stem(path: str) -> str:
    return path.rpartition("/")[2][: -len(SUFFIX)] or "lora"


def _netloc(url: str) -> str:
    return urlsplit(url).netloc.lower()


def _dicts(entries: object) -> Sequence[Mapping[str, Any]]:
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _plain(text: str) -> str:
    return text.encode("ascii", "replace").decode()
