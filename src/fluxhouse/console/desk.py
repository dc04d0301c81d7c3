"""What the console works with, handed in by the application; it names no concrete part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from sqlalchemy import Connection
from starlette.types import ASGIApp

from fluxhouse.catalog.catalog import Catalog
from fluxhouse.console.cashier import Cashier
from fluxhouse.core import attempts
from fluxhouse.core.feed import Feed
from fluxhouse.core.model_terms import Offer
from fluxhouse.database.database import Database
from fluxhouse.generation.clock import Clock
from fluxhouse.generation.errors import RateLimited
from fluxhouse.storage.opening import Store
from fluxhouse.storage.urls import UrlSigner


@dataclass(frozen=True, slots=True)
class Desk:
    """The platform as the console sees it. `api` is our own native API, for which the console is one more client.

    `sign_up` says whether strangers may make an account. `pepper` hashes keys and signs forms. `sdk_names` has, by
    dialect with an SDK of its own, what that calls each model which it serves.
    """

    database: Database
    catalog: Catalog
    storage: Store
    signer: UrlSigner
    feed: Feed
    clock: Clock
    api: ASGIApp
    pepper: bytes
    public_url: str
    output_ttl: timedelta
    serving: Offer
    usd_per_credit: Decimal
    sign_up: bool = False
    sdk_names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    cashier: Cashier | None = None

    @property
    def is_secure(self) -> bool:
        """Whether callers reach us by https."""
        return self.public_url.startswith("https://")

    async def count_attempts(self, *tries: tuple[str, str, int]) -> None:
        """Count an attempt of each (kind, who, most), as `attempts.count` has it; raises `RateLimited`.

        In a transaction of its own, which is committed even then: what comes of the attempt takes back nothing of it.
        """
        now = self.clock.now()

        def count(connection: Connection) -> RateLimited | None:
            try:
                for kind, who, most in tries:
                    attempts.count(connection, kind, who, most, now)
            except RateLimited as error:
                return error
            return None

        refused = await self.database.write(count)
        if refused is not None:
            raise refused

    def names_of(self, model_id: str) -> Mapping[str, str]:
        """What each SDK that can make pictures with this model calls it."""
        return {sdk: names[model_id] for sdk, names in self.sdk_names.items() if model_id in names}
