"""One model of the catalog: its facts, its parameters, and the family members an entrypoint selects among."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fluxhouse.catalog.parameter import Parameter
from fluxhouse.catalog.schema import request_schema
from fluxhouse.generation.backend import Serving
from fluxhouse.generation.errors import UnsupportedParameter
from fluxhouse.generation.request import Task


@dataclass(frozen=True, slots=True)
class Licence:
    """The licence of the checkpoint; `checkpoint` is None where no weights were published."""

    name: str
    url: str
    checkpoint: str | None
    gated: bool
    commercial_use: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Model:
    """What can be asked for under one id.

    `price_micro` is per image. `aspect_ratios` maps a ratio to its pixels, width first. `foreign` are the parameters of
    the vocabulary that this model does not know; their defaults are accepted all the same. `members` is empty but for
    a family entrypoint; its first member is the default. `input_task` says what an input image means.
    """

    id: str
    name: str
    description: str
    modality: str
    price_micro: int
    tags: tuple[str, ...]
    related: tuple[str, ...]
    licence: Licence
    aspect_ratios: Mapping[str, tuple[int, int]]
    input_task: Task
    parameters: tuple[Parameter, ...]
    foreign: tuple[Parameter, ...] = field(default=(), repr=False)
    members: tuple[Model, ...] = field(default=(), repr=False)

    @property
    def available(self) -> bool:
        """Whether any request can be accepted: False while a required parameter is not supported."""
        return all(parameter.supported for parameter in self.parameters if parameter.required)

    def parameter(self, name: str) -> Parameter | None:
        """The parameter of that name, or None where this model does not know it."""
        return next((parameter for parameter in self.parameters if parameter.name == name), None)

    def word(self, name: str) -> Parameter:
        """The parameter of that name, whether this model takes it or only others do."""
        return next(parameter for parameter in (*self.parameters, *self.foreign) if parameter.name == name)

    def require_available(self) -> None:
        """Raise `UnsupportedParameter` naming the first required parameter that is not supported yet."""
        for parameter in self.parameters:
            if parameter.required and not parameter.supported:
                raise UnsupportedParameter(
                    f"`{self.id}` needs `{parameter.name}`, which is not supported by this installation yet.",
                    field=parameter.name,
                )

    def pixels(self, ratio: str, megapixels: str | None = None) -> tuple[int, int]:
        """Width and height of a ratio; `megapixels` "0.25" halves both."""
        width, height = self.aspect_ratios[ratio]
        return (width // 2, height // 2) if megapixels == "0.25" else (width, height)

    def served_by(self, serving: Mapping[str, Serving]) -> Serving | None:
        """Who serves this model; for an entrypoint the first member that is served, None where nobody does."""
        ids = [member.id for member in self.members] or [self.id]
        return next((serving[model_id] for model_id in ids if model_id in serving), None)

    def schema(self, *, all_rules: bool = True) -> dict[str, Any]:
        """JSON Schema 2020-12 of the request body: a closed object, with the rules across fields.

        Without `all_rules` as in `request_schema`.
        """
        members = {member.id: {entry.name: entry for entry in member.parameters} for member in self.members}
        return {"title": self.name, **request_schema(self.parameters, self.foreign, members, all_rules=all_rules)}
