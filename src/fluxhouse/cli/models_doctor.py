"""`fluxhouse models doctor`: which weights are here, how large they are, and whether they fit into memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fluxhouse import builtin
from fluxhouse.assembly import TESTCARD, is_provider, models_folder
from fluxhouse.cli.findings import Finding, show_findings
from fluxhouse.cli.models_pull import users_of
from fluxhouse.cli.opening import DataFolder
from fluxhouse.engine.checkers import examine_checker
from fluxhouse.engine.checkpoints import Checkpoint, examine, share
from fluxhouse.engine.memory import budget_bytes, gigabytes
from fluxhouse.engine.pulled import list_pulled, list_unfinished
from fluxhouse.engine.sources import locate, locate_checker
from fluxhouse.generation.errors import WeightsUnavailable
from fluxhouse.settings import Settings, read_settings


def doctor(folder: DataFolder = None) -> None:
    """Say which weights are here and whether they would fit; exit code 1 where a model cannot be served."""
    show_findings(list(weights(read_settings(data=folder))))


def weights(settings: Settings) -> Iterator[Finding]:
    """Every checkpoint that FLUXHOUSE_MODELS names, what they take together, and what lies here unused."""
    limit = budget_bytes(settings.device) if settings.model_bytes is None else settings.model_bytes
    if settings.safety_checker is not None:
        told, taken = _checker(settings.safety_checker, settings)
        yield told
        limit -= taken
    whole: list[Checkpoint] = []
    named = dict.fromkeys(source for route in settings.sources.values() for source in route)
    for source in named or [str(builtin.FOLDER)]:
        served = ", ".join(model for model, route in settings.sources.items() if source in route) or "every model"
        if source.partition(":")[0] == TESTCARD or is_provider(source):
            continue
        try:
            place = locate(source, models_folder(settings))
            checkpoint = examine(place.folder, place.transformer_file)
        except WeightsUnavailable as error:
            yield Finding("weights", f"{served}: {error.message}", "mend FLUXHOUSE_MODELS, or pull them", True)
            continue
        whole.append(checkpoint)
        yield _one(served, source, checkpoint, settings, limit)
    if whole:
        yield _together(whole, settings, limit)
    yield from _beside(settings)


def _checker(source: str, settings: Settings) -> tuple[Finding, int]:
    """What there is to say of the safety checker, and the bytes that it takes of the memory for models."""
    try:
        stored = examine_checker(locate_checker(source, models_folder(settings)))
    except WeightsUnavailable as error:
        return Finding("checker", error.message, "mend FLUXHOUSE_SAFETY_CHECKER, or pull it", fatal=True), 0
    sizes = f"{gigabytes(stored.size_bytes)} on disk, {gigabytes(stored.memory_bytes)} in memory"
    return Finding("checker", f"{source}, {sizes}: looks at every picture that is made here"), stored.memory_bytes


def _one(served: str, source: str, checkpoint: Checkpoint, settings: Settings, limit: int) -> Finding:
    needed = checkpoint.memory_bytes(settings.dtype)
    found = (
        f"{served}: {source}, {gigabytes(checkpoint.size_bytes)} on disk, "
        f"{gigabytes(needed)} in memory as {settings.dtype}"
    )
    if needed > limit:
        remedy = f"there are {gigabytes(limit)} for models: take a larger device, or see FLUXHOUSE_MODEL_BYTES"
        return Finding("weights", found, remedy, fatal=True)
    return Finding("weights", found)


def _together(whole: Sequence[Checkpoint], settings: Settings, limit: int) -> Finding:
    networks = {network for checkpoint in share(whole) for network in checkpoint.networks.values()}
    needed = sum(network.memory_bytes(settings.dtype) for network in networks)
    there = "as much as there is" if limit == 2**63 else gigabytes(limit)
    found = f"{gigabytes(needed)} for all models on {settings.device}, which may take {there}"
    if needed > limit:
        return Finding("memory", found, "they take turns: one that is not in memory is loaded when it is asked for")
    return Finding("memory", found)


def _beside(settings: Settings) -> Iterator[Finding]:
    for pulled in list_pulled(models_folder(settings)):
        users = ", ".join(users_of(pulled.repository, settings)) or "no model"
        accepted = "" if pulled.licence.accepted_at is None else f", accepted {pulled.licence.accepted_at[:10]}"
        found = f"{pulled.repository}, {gigabytes(pulled.size_bytes)}, for {users}; licence {pulled.licence}{accepted}"
        yield Finding("pulled", found)
    for repository, size in list_unfinished(models_folder(settings)):
        yield Finding("unfinished", f"{repository}, {gigabytes(size)}", f"fluxhouse models pull {repository}, or rm")
