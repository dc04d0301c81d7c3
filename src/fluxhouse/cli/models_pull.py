"""`fluxhouse models pull` and `rm`: checkpoints of a hub come into the data folder, and leave it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from fluxhouse.assembly import make_data_folder, models_folder, require_engine_packages
from fluxhouse.catalog.catalog import Catalog
from fluxhouse.cli.opening import DataFolder, Refusal
from fluxhouse.engine.memory import gigabytes
from fluxhouse.engine.pulled import REPOSITORY, LicenceTerms, Pulled, folder_of, list_pulled, read_marker, remove
from fluxhouse.engine.sources import repositories
from fluxhouse.settings import Settings, read_settings

CHECKER = "safety checker"
_SOURCE = re.compile(
    rf"(?P<repository>{REPOSITORY.pattern})(?:@(?P<revision>[\w./-]+)|/(?P<file>[\w./-]+\.safetensors))?"
)


def pull(
    source: Annotated[str, typer.Argument(help="A model's id, owner/name[@revision] or owner/name/FILE.safetensors.")],
    accept_licence: Annotated[bool, typer.Option("--accept-licence", help="You have read and accept it.")] = False,
    folder: DataFolder = None,
) -> None:
    """Fetch a checkpoint or a safety checker into the data folder; what broke off is taken up again."""
    settings = read_settings(data=folder)
    match = _SOURCE.fullmatch(_checkpoint_of(source))
    if match is None:
        raise Refusal(
            f"{source!r} is no model with published weights, no owner/name and no owner/name/FILE.safetensors"
        )
    require_engine_packages()
    hub, models = _hub(settings), models_folder(settings)
    here = read_marker(folder_of(models, match["repository"]))
    wanted: Pulled = hub.look(match["repository"], match["revision"], match["file"], here)
    size = f"{gigabytes(wanted.size_bytes)} in {len(wanted.files)} files"
    typer.echo(f"{wanted.repository} at {wanted.revision[:12]}: {size}")
    licence = _licence_of(wanted)
    typer.echo(f"licence: {licence} ({licence.url})")
    agreed = _agreed(licence, here, accept_licence)
    make_data_folder(settings)
    place = hub.pull(replace(wanted, licence=agreed), models, typer.echo)
    typer.echo(f"{place}\n{_advice(source, match, place)}")


def _agreed(licence: LicenceTerms, here: Pulled | None, accepts: bool) -> LicenceTerms:
    """The licence with the time of its acceptance, which holds while it keeps its name; raises `Refusal`."""
    if not licence.restricted:
        return licence
    if accepts:
        return replace(licence, accepted_at=datetime.now(UTC).isoformat(timespec="seconds"))
    if here is None or here.licence.accepted_at is None or here.licence.name != licence.name:
        raise Refusal("read this licence, and pull with --accept-licence if you accept it")
    return replace(licence, accepted_at=here.licence.accepted_at)


def remove_pulled(
    repository: Annotated[str, typer.Argument(help="What was pulled, as owner/name.", metavar="OWNER/NAME")],
    folder: DataFolder = None,
) -> None:
    """Delete a pulled checkpoint, or what has come of one; refused while a setting names it."""
    settings = read_settings(data=folder)
    users = users_of(repository, settings)
    if users:
        setting = "FLUXHOUSE_SAFETY_CHECKER" if CHECKER in users else "FLUXHOUSE_MODELS"
        raise Refusal(f"{setting} serves {', '.join(users)} from {repository}: take it out there first")
    freed = remove(models_folder(settings), repository) if REPOSITORY.fullmatch(repository) else None
    if freed is None:
        there = ", ".join(pulled.repository for pulled in list_pulled(models_folder(settings))) or "nothing"
        raise Refusal(f"{repository} was not pulled into {models_folder(settings)}; there is {there}")
    typer.echo(f"{repository} is gone, {gigabytes(freed)}")


def users_of(repository: str, settings: Settings) -> list[str]:
    """The models that the settings have made from a repository, and the safety checker where it is that."""
    models = [
        model
        for model, route in settings.sources.items()
        if any(repository in repositories(source) for source in route)
    ]
    return [*models, CHECKER] if repository in repositories(settings.safety_checker or "") else models


def _hub(settings: Settings) -> Any:
    # By name, since the base install lacks huggingface_hub and must import this module all the same.
    token = None if settings.hf_token is None else settings.hf_token.get_secret_value()
    return import_module("fluxhouse.engine.pull").Hub(settings.hf_url, token)


def _checkpoint_of(source: str) -> str:
    """The repository that the catalog names for a model's id; anything else as it is."""
    by_id = {model.id: model.licence for model in Catalog.load().models}
    licence = by_id.get(source)
    return source if licence is None or licence.checkpoint is None else _repository_of(licence.checkpoint)


def _repository_of(url: str) -> str:
    return "/".join(url.rstrip("/").split("/")[-2:])


def _licence_of(wanted: Pulled) -> LicenceTerms:
    """The catalog's word on a checkpoint that it knows, the hub's on any other; gated where either says so."""
    named = (model.licence for model in Catalog.load().models if model.licence.checkpoint)
    known = next((licence for licence in named if _repository_of(str(licence.checkpoint)) == wanted.repository), None)
    if known is None:
        return wanted.licence
    return LicenceTerms(known.name, known.url, known.gated or wanted.licence.gated, known.commercial_use)


def _advice(source: str, match: re.Match[str], place: Path) -> str:
    """What to do with what has come."""
    if match["file"] is None and not (place / "model_index.json").is_file():
        return f"look at every picture with it: FLUXHOUSE_SAFETY_CHECKER={match['repository']}"
    return f"name it in FLUXHOUSE_MODELS, such as {_example(source, match)}"


def _example(source: str, match: re.Match[str]) -> str:
    model = source if source in {one.id for one in Catalog.load().models} else "flux-dev"
    named = match["repository"] if match["file"] is None else f"{match['repository']}/{match['file']}"
    return f"{model}={named}"
