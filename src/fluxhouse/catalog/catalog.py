"""The catalog itself: every model by its id, and requests checked against them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from importlib.resources.abc import Traversable

from fluxhouse.catalog.loading import read
from fluxhouse.catalog.model import Model
from fluxhouse.catalog.parsing import Parsed, parse
from fluxhouse.generation.errors import UnknownModel


class Catalog:
    """What can be asked for and what it costs."""

    def __init__(self, models: Sequence[Model]) -> None:
        self._listed = {model.id: model for model in models}
        self._models = self._listed

    @classmethod
    def load(cls, folder: Traversable | None = None, able: Collection[str] = ()) -> Catalog:
        """The catalog of a folder, by default the one shipped in the package; raises `MalformedCatalog`.

        `able` names parameters that this installation is set up for, though not every one is.
        """
        return cls(read(folder if folder is not None else files("fluxhouse.catalog"), able))

    @property
    def models(self) -> tuple[Model, ...]:
        """Every model, family entrypoints first, then by id."""
        return tuple(self._models.values())

    def model(self, model_id: str) -> Model:
        """The model of that id; raises `UnknownModel`."""
        if model_id not in self._models:
            raise UnknownModel(f"There is no model `{model_id[:100]}`.", field="model")
        return self._models[model_id]

    def reprice(self, prices: Mapping[str, int]) -> None:
        """Let an image of these models cost so many micro-credits, and of all others what the catalog says.

        A family entrypoint costs what its default member does.
        """

        def priced(model: Model) -> Model:
            members = tuple(priced(member) for member in model.members)
            default = members[0].price_micro if members else model.price_micro
            return replace(model, members=members, price_micro=prices.get(model.id, default))

        self._models = {model_id: priced(model) for model_id, model in self._listed.items()}

    def listed_price(self, model_id: str) -> int:
        """What the catalog itself says that an image of the model costs, in micro-credits; KeyError where unknown."""
        return self._listed[model_id].price_micro

    def parse(self, model_id: str, body: Mapping[str, object]) -> Parsed:
        """Check a request body, without any input or output.

        Raises `UnknownModel`, `InvalidParameter` or `UnsupportedParameter`, each with the field it is about.
        """
        return parse(self.model(model_id), body)
