"""Terms of models: what is agreed goes over the catalog in every process, and away again."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from fluxhouse.catalog.catalog import Catalog
from fluxhouse.core import model_terms
from fluxhouse.core.model_terms import ModelTerms, Offer
from fluxhouse.generation.backend import Serving
from fluxhouse.generation.moderation import Moderation

SERVED = {"flux-dev": Serving("built-in", 8, 3.5), "flux-schnell": Serving("built-in", 4, None)}
OF_SCHNELL = model_terms.model_terms.c.model == "flux-schnell"


def test_terms_are_kept_until_they_are_the_catalogs_again(house):
    """Each model's terms replace the ones before; terms that say nothing leave no row."""
    house.do(model_terms.agree, "flux-dev", ModelTerms(3_000_000), house.now())
    house.do(model_terms.agree, "flux-dev", ModelTerms(4_000_000, is_off=True), house.now())
    house.do(model_terms.agree, "flux-schnell", ModelTerms(is_off=True), house.now())
    assert house.see(model_terms.agreed) == {
        "flux-dev": ModelTerms(4_000_000, is_off=True),
        "flux-schnell": ModelTerms(None, is_off=True),
    }
    house.do(model_terms.agree, "flux-dev", ModelTerms(), house.now())
    assert list(house.see(model_terms.agreed)) == ["flux-schnell"]


def test_a_checker_is_switched_off_for_a_model_alone(house):
    """Whoever moderates it; an older row, which says nothing of that, switches nothing off."""
    catalog = Catalog.load()
    offer = Offer(catalog, {model: replace(SERVED[model], moderation=Moderation.CHECKER) for model in SERVED})
    house.do(model_terms.agree, "flux-dev", ModelTerms(is_unmoderated=True), house.now())
    house.do(model_terms.agree, "flux-schnell", ModelTerms(250_000), house.now())
    house.do(lambda c: c.execute(update(model_terms.model_terms).where(OF_SCHNELL).values(is_unmoderated=None)))

    async def look() -> None:
        house.database.start()
        await offer.look(house.database)

    asyncio.run(look())
    assert {model: serving.moderation for model, serving in offer.items()} == {
        "flux-dev": Moderation.DISABLED,
        "flux-schnell": Moderation.CHECKER,
    }


def test_a_price_below_zero_is_refused_by_the_database(house):
    """Whatever the code above does."""
    with pytest.raises(IntegrityError):
        house.do(model_terms.agree, "flux-dev", ModelTerms(-1), house.now())


def test_an_offer_takes_over_what_another_process_agreed(house):
    """A model that is off is not offered though it is served; prices reach the catalog; all comes back."""
    catalog = Catalog.load()
    offer = Offer(catalog, SERVED)
    house.do(model_terms.agree, "flux-schnell", ModelTerms(250_000, is_off=True), house.now())

    async def look() -> None:
        house.database.start()
        await offer.look(house.database)

    asyncio.run(look())
    assert dict(offer) == {"flux-dev": SERVED["flux-dev"]}
    assert (len(offer), offer.get("flux-schnell"), offer.is_off("flux-schnell")) == (1, None, True)
    assert offer.is_served("flux-schnell")
    assert catalog.model("flux-schnell").price_micro == 250_000
    house.do(model_terms.agree, "flux-schnell", ModelTerms(), house.now())
    asyncio.run(offer.look(house.database))
    assert dict(offer) == SERVED
    assert catalog.model("flux-schnell").price_micro == 500_000
