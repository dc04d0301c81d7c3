"""Reads the catalog's TOML files, and refuses a malformed one by file and key."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources.abc import Traversable
from types import UnionType
from typing import Any, TypeVar

from fluxhouse.catalog.model import Licence, Model
from fluxhouse.catalog.parameter import ITEM_TYPES, TYPES, Parameter
from fluxhouse.catalog.schema import CUSTOM
from fluxhouse.generation.credits import to_micro
from fluxhouse.generation.errors import InvalidParameter
from fluxhouse.generation.request import Task

T = TypeVar("T")
Pixels = Mapping[str, tuple[int, int]]

_PARAMETER_FIELDS: Mapping[str, type | UnionType] = {
    "type": str,
    "description": str,
    "required": bool,
    "default": object,
    "minimum": int | float,
    "maximum": int | float,
    "enum": list,
    "max_length": int,
    "pattern": str,
    "pattern_says": str,
    "item_type": str,
    "max_items": int,
    "supported": bool,
}


class MalformedCatalog(ValueError):
    """A catalog file does not say what it must; the message names the file and the key."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What the models share: every parameter once, and the pixels of every ratio."""

    parameters: Mapping[str, Parameter]
    ratios: Pixels


class _Table:
    """A TOML table that must be used up: each key once, each of its type, none left over."""

    def __init__(self, file: str, content: Mapping[str, Any], prefix: str = "") -> None:
        self._file = file
        self._prefix = prefix
        self._left = dict(content)

    def take(self, key: str, kind: type[T], default: T | None = None) -> T:
        if key not in self._left and default is not None:
            return default
        value = self._left.pop(key, None)
        self._require(key, value, kind)
        return value  # type: ignore[no-any-return]

    def take_field(self, key: str) -> Any:
        """The value of a field of `Parameter`."""
        if key not in _PARAMETER_FIELDS:
            raise self.wrong(key, "is not known")
        value = self._left.pop(key)
        self._require(key, value, _PARAMETER_FIELDS[key])
        return tuple(value) if key == "enum" else value

    def _require(self, key: str, value: object, kind: type | UnionType) -> None:
        if value is None:
            raise self.wrong(key, "is missing")
        if not isinstance(value, kind) or (isinstance(value, bool) and kind not in (bool, object)):
            raise self.wrong(key, f"must be a {getattr(kind, '__name__', 'number')}")

    def take_table(self, key: str) -> _Table:
        return _Table(self._file, self.take(key, dict, {}), f"{self._prefix}{key}.")

    def take_texts(self, key: str, default: list[str] | None = None) -> tuple[str, ...]:
        texts = self.take(key, list, default)
        if not all(isinstance(text, str) for text in texts):
            raise self.wrong(key, "must be a list of strings")
        return tuple(texts)

    def take_one_of(self, key: str, allowed: Sequence[str]) -> str:
        text = self.take(key, str)
        if text not in allowed:
            raise self.wrong(key, f"must be one of {', '.join(allowed)}")
        return text

    def left(self) -> tuple[str, ...]:
        return tuple(self._left)

    def end(self) -> None:
        for key in self._left:
            raise self.wrong(key, "is not known")

    def wrong(self, key: str, what: str) -> MalformedCatalog:
        return MalformedCatalog(f"{self._file}: {self._prefix}{key} {what}")


def read(folder: Traversable, able: Collection[str] = ()) -> tuple[Model, ...]:
    """Every model of a catalog folder: entrypoints first, then by id. Raises `MalformedCatalog`.

    Parameters in `able` are supported, whatever the files say.
    """
    vocabulary = _read_vocabulary(_open(folder / "parameters.toml"), able)
    files = sorted((entry for entry in (folder / "models").iterdir() if entry.name.endswith(".toml")), key=_name)
    drafts = [_read_model(_open(file), vocabulary, file.name.removesuffix(".toml")) for file in files]
    models = {model.id: model for model, _ in drafts}
    joined = [_join(model, selects, models) for model, selects in drafts]
    for model in joined:
        for related in model.related:
            if related not in models:
                raise MalformedCatalog(f"{model.id}.toml: related names the unknown model {related}")
    return tuple(sorted(joined, key=lambda model: (not model.members, model.id)))


def _name(file: Traversable) -> str:
    return file.name


def _open(file: Traversable) -> _Table:
    try:
        return _Table(file.name, tomllib.loads(file.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, FileNotFoundError) as error:
        raise MalformedCatalog(f"{file.name}: {error}") from error


def _read_vocabulary(table: _Table, able: Collection[str]) -> Vocabulary:
    ratios = table.take_table("ratios")
    parameters = table.take_table("parameters")
    table.end()
    known = {name: _read_parameter(name, parameters.take_table(name)) for name in parameters.left()}
    return Vocabulary(
        parameters=known | {name: replace(known[name], supported=True) for name in able},
        ratios={ratio: _read_pixels(ratios, ratio) for ratio in ratios.left()},
    )


def _read_pixels(table: _Table, ratio: str) -> tuple[int, int]:
    match table.take(ratio, list):
        case [int(width), int(height)] if width > 0 and height > 0 and width % 32 == 0 == height % 32:
            return width, height
    raise table.wrong(ratio, "must be two positive multiples of 32")


def _read_parameter(name: str, table: _Table) -> Parameter:
    return _changed(Parameter(name=name, type=table.take("type", str)), table)


def _changed(parameter: Parameter, table: _Table) -> Parameter:
    """The parameter with the fields that a table gives, judged as a whole."""
    changes: dict[str, Any] = {key: table.take_field(key) for key in table.left()}
    changed = replace(parameter, **changes)
    if changed.type not in TYPES:
        raise table.wrong("type", f"must be one of {', '.join(TYPES)}")
    if changed.type == "array" and changed.item_type not in ITEM_TYPES:
        raise table.wrong("item_type", f"must be one of {', '.join(ITEM_TYPES)}")
    try:
        replace(changed, required=False, supported=True).check(changed.default)
    except InvalidParameter as error:
        raise table.wrong("default", error.message) from error
    return changed


def _read_model(table: _Table, vocabulary: Vocabulary, stem: str) -> tuple[Model, tuple[str, ...]]:
    model_id = table.take("id", str)
    if model_id != stem:
        raise table.wrong("id", f"must be {stem}, as the file is named")
    selects = table.take_texts("selects", [])
    ratios = _read_ratios(table, vocabulary)
    parameters = _read_parameters(table, vocabulary, ratios, selects or (model_id,))
    known = {parameter.name for parameter in parameters}
    model = Model(
        id=model_id,
        name=table.take("name", str),
        description=table.take("description", str),
        modality=table.take_one_of("modality", ("image",)),
        price_micro=_read_price(table),
        tags=table.take_texts("tags"),
        related=table.take_texts("related"),
        licence=_read_licence(table.take_table("licence")),
        aspect_ratios=ratios,
        input_task=Task(table.take_one_of("input_task", tuple(Task))),
        parameters=parameters,
        foreign=tuple(parameter for name, parameter in vocabulary.parameters.items() if name not in known),
    )
    table.end()
    return model, selects


def _read_price(table: _Table) -> int:
    try:
        return to_micro(table.take("price_credits", str))
    except ValueError as error:
        raise table.wrong("price_credits", str(error)) from error


def _read_ratios(table: _Table, vocabulary: Vocabulary) -> Pixels:
    scale = table.take("ratio_scale", int, 1)
    names = table.take_texts("aspect_ratios")
    for name in names:
        if name not in vocabulary.ratios:
            raise table.wrong("aspect_ratios", f"names the unknown ratio {name}")
    return {name: (vocabulary.ratios[name][0] * scale, vocabulary.ratios[name][1] * scale) for name in names}


def _read_licence(table: _Table) -> Licence:
    licence = Licence(
        name=table.take("name", str),
        url=table.take("url", str),
        checkpoint=table.take("checkpoint", str, "") or None,
        gated=table.take("gated", bool),
        commercial_use=table.take("commercial_use", bool),
    )
    table.end()
    return licence


def _read_parameters(
    table: _Table, vocabulary: Vocabulary, ratios: Pixels, members: Sequence[str]
) -> tuple[Parameter, ...]:
    names = table.take_texts("parameters")
    overrides = table.take_table("overrides")
    without_default = table.take_texts("without_default", [])
    parameters = []
    for name in names:
        if name not in vocabulary.parameters:
            raise table.wrong("parameters", f"names the unknown parameter {name}")
        parameter = vocabulary.parameters[name]
        if name == "aspect_ratio":
            parameter = replace(parameter, enum=(*ratios, CUSTOM) if "width" in names else tuple(ratios))
        if name == "model":
            parameter = replace(parameter, enum=tuple(members), default=members[0] if len(members) > 1 else None)
        if name in without_default:
            parameter = replace(parameter, default=None)
        parameters.append(_changed(parameter, overrides.take_table(name)))
    overrides.end()
    return tuple(parameters)


def _join(model: Model, selects: Sequence[str], models: Mapping[str, Model]) -> Model:
    """The entrypoint with its members, each of which may know only what the entrypoint knows."""
    known = {parameter.name for parameter in model.parameters}
    for name in selects:
        if name not in models:
            raise MalformedCatalog(f"{model.id}.toml: selects names the unknown model {name}")
        beyond = [parameter.name for parameter in models[name].parameters if parameter.name not in known]
        if beyond:
            raise MalformedCatalog(f"{model.id}.toml: parameters lacks {beyond[0]}, which {name} takes")
    return replace(model, members=tuple(models[name] for name in selects))
