"""The parts of an installation, put together: settings in, a running platform out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from importlib import import_module

from fluxhouse.assembly.backends import handed_in, make_backends
from fluxhouse.assembly.cashier import open_cashier
from fluxhouse.assembly.platform import Platform
from fluxhouse.assembly.private import make_data_folder, pepper, read_secret
from fluxhouse.assembly.upsampling import load_catalog, make_upsampler
from fluxhouse.core.bell import Bell
from fluxhouse.core.feed import Feed
from fluxhouse.core.model_terms import Offer
from fluxhouse.core.relay import Relay
from fluxhouse.core.shelf import Shelf
from fluxhouse.database.database import Database
from fluxhouse.dialects import bfl, fal, native, pixazo, replicate
from fluxhouse.dialects.dialect import Door, DoorOptions
from fluxhouse.dialects.loras import LoraOptions
from fluxhouse.generation.backend import Backend
from fluxhouse.generation.clock import SystemClock
from fluxhouse.settings import Settings, SettingsRefused
from fluxhouse.storage.fetch import Fetcher
from fluxhouse.storage.hubs import HubOptions
from fluxhouse.storage.opening import ExtraMissing, Store, open_storage
from fluxhouse.storage.urls import UrlSigner
from fluxhouse.worker.course import CourseOptions
from fluxhouse.worker.deliver import Deliverer, Telling, enveloped
from fluxhouse.worker.meter import WorkMeter
from fluxhouse.worker.routing import Router
from fluxhouse.worker.sweep import FLEET, Sweeper
from fluxhouse.worker.worker import Source, Worker, WorkerOptions


def assemble(settings: Settings, backends: Mapping[str, Backend] | None = None, *, works: bool = True) -> Platform:
    """An installation by its settings. `backends` by model id, `*` for the rest, stand in for the engine and are
    already started; without `works` this process makes no images.
    """
    catalog, clock = load_catalog(settings), SystemClock()
    made = make_backends(settings, catalog) if backends is None else handed_in(backends, catalog)
    router = Router(made.backends, made.serving, made.stand_ins)
    make_data_folder(settings)
    database = Database(settings.database_address)
    storage = _storage(settings)
    feed, bell, meter = Feed(), Bell(), WorkMeter()
    secret = read_secret(settings)
    fetcher = Fetcher(settings.egress_allow)
    options = DoorOptions(
        pepper(secret),
        settings.address,
        settings.output_ttl,
        Offer(catalog, router.serving()),
        settings.usd_per_credit,
        sign_up=settings.sign_up,
        loras=_lora_options(settings),
    )
    signer = UrlSigner(secret, settings.address)
    door = Door(database, catalog, storage, signer, fetcher, feed, bell, clock, options)
    upsampler = make_upsampler(settings) if works else None
    shelf = Shelf(database, storage, settings.lora_bytes)
    worker_options = WorkerOptions(course=CourseOptions(after_charge=settings.fallback_after_charge))
    return Platform(
        settings,
        database,
        door,
        Worker(
            database, router, storage, feed, bell, clock, worker_options, meter, _source(database, router), upsampler
        )
        if works
        else None,
        Sweeper(database, storage, feed, bell, clock, FLEET if settings.is_fleet else None, shelf),
        Deliverer(database, fetcher, tellings(door), options.pepper, feed.changed, clock, meter=meter),
        fetcher,
        made.engines if works else (),
        meter,
        None if database.shared is None else Relay(database, database.shared, storage, feed),
        made.providers if works else (),
        open_cashier(settings),
        upsampler,
    )


def _lora_options(settings: Settings) -> LoraOptions:
    tokens = [
        None if token is None else token.get_secret_value() for token in (settings.hf_token, settings.civitai_token)
    ]
    hubs = HubOptions(settings.hf_url, tokens[0], settings.civitai_url, tokens[1])
    return LoraOptions(hubs, settings.lora_bytes, settings.files_folder / ".drafts")


def _storage(settings: Settings) -> Store:
    try:
        return open_storage(settings.storage_url, settings.files_folder)
    except (ValueError, ExtraMissing) as error:
        raise SettingsRefused(f"FLUXHOUSE_STORAGE_URL: {error}") from error


def _source(database: Database, router: Router) -> Source | None:
    """Where entries come from that a whole fleet shares; None for the embedded queue."""
    if database.shared is None:
        return None
    # By name, since the base install lacks procrastinate and must import this module all the same.
    source: Source = import_module("fluxhouse.worker.procrastination").Procrastination(
        database.shared.conninfo, router.rooms((), WorkerOptions().ahead)
    )
    return source


def tellings(door: Door) -> Mapping[str, Telling]:
    """For each dialect, how its webhooks tell of a job."""
    return {
        native.DIALECT: Telling(enveloped(partial(native.job_body, door))),
        pixazo.DIALECT: Telling(enveloped(partial(pixazo.job_body, door), black_is_a_result=True)),
        replicate.DIALECT: Telling(partial(replicate.prediction, door)),
        bfl.DIALECT: Telling(partial(bfl.told, door), beside=bfl.signature),
        fal.DIALECT: Telling(partial(fal.told, door), beside=partial(fal.signature, door)),
    }
