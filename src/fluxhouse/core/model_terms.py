"""Terms of models: what this installation asks for each, whether it is offered, and whether a checker looks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from sqlalchemy import BigInteger, CheckConstraint, Column, Connection, Integer, String, Table, delete, insert, select

from fluxhouse.catalog.catalog import Catalog
from fluxhouse.database.database import Database
from fluxhouse.database.schema import Instant, metadata
from fluxhouse.generation.backend import Serving
from fluxhouse.generation.moderation import Moderation

log = structlog.get_logger()

model_terms = Table(
    "model_terms",
    metadata,
    Column("model", String(100), primary_key=True),
    Column("price_micro", BigInteger),
    Column("is_off", Integer, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("is_unmoderated", Integer),  # an earlier version writes none
    CheckConstraint("price_micro >= 0", name="price_not_negative"),
)


@dataclass(frozen=True, slots=True)
class ModelTerms:
    """`price_micro` is of one image, None for the catalog's; a model that `is_off` is not offered.

    At the pictures of one that `is_unmoderated` no safety checker looks.
    """

    price_micro: int | None = None
    is_off: bool = False
    is_unmoderated: bool = False


def agreed(connection: Connection) -> dict[str, ModelTerms]:
    """The terms of every model that has any of its own."""
    return {
        row.model: ModelTerms(row.price_micro, bool(row.is_off), bool(row.is_unmoderated))
        for row in connection.execute(select(model_terms))
    }


def agree(connection: Connection, model: str, terms: ModelTerms, now: datetime) -> None:
    """Set a model's terms; jobs taken in before keep theirs and are made all the same."""
    connection.execute(delete(model_terms).where(model_terms.c.model == model))
    if terms != ModelTerms():
        connection.execute(
            insert(model_terms).values(
                model=model,
                price_micro=terms.price_micro,
                is_off=int(terms.is_off),
                is_unmoderated=int(terms.is_unmoderated),
                changed_at=now,
            )
        )


class Offer(Mapping[str, Serving]):
    """What can be asked for here: the served models but those that are off, at the prices of the terms.

    Every process keeps one and looks every `period_seconds` whether another has changed the terms.
    """

    def __init__(self, catalog: Catalog, served: Mapping[str, Serving], period_seconds: float = 5.0) -> None:
        self._catalog = catalog
        self._served = served
        self._period_seconds = period_seconds
        self._terms: Mapping[str, ModelTerms] = {}

    def __getitem__(self, model: str) -> Serving:
        if self.is_off(model):
            raise KeyError(model)
        served, terms = self._served[model], self._terms.get(model)
        unmoderated = terms is not None and terms.is_unmoderated
        return replace(served, moderation=Moderation.DISABLED) if unmoderated else served

    def __iter__(self) -> Iterator[str]:
        return (model for model in self._served if not self.is_off(model))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def is_off(self, model: str) -> bool:
        """Whether an administrator has taken the model out of the offer."""
        terms = self._terms.get(model)
        return terms is not None and terms.is_off

    def is_served(self, model: str) -> bool:
        """Whether a backend makes its images, offered or not."""
        return model in self._served

    async def look(self, database: Database) -> None:
        """Take over the terms as they stand."""
        terms = await database.read(agreed)
        if terms != self._terms:
            self._terms = terms
            prices = ((model, one.price_micro) for model, one in terms.items())
            self._catalog.reprice({model: price for model, price in prices if price is not None})

    async def run(self, database: Database) -> None:
        """Look for ever; what fails is logged and tried again next time."""
        while True:
            try:
                await self.look(database)
            except Exception:
                log.exception("model_terms_not_read")
            await asyncio.sleep(self._period_seconds)
