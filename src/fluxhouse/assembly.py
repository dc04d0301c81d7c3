"""The only file that names concrete parts: settings in, a running platform out."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import secrets
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import structlog
from starlette.types import ASGIApp

from fluxhouse import builtin
from fluxhouse.app import create_app
from fluxhouse.catalog.catalog import Catalog
from fluxhouse.core.bell import Bell
from fluxhouse.core.feed import Feed
from fluxhouse.core.relay import Relay
from fluxhouse.database.database import Database
from fluxhouse.database.lock import FolderLock
from fluxhouse.dialects import native, pixazo
from fluxhouse.dialects.dialect import Door, DoorOptions
from fluxhouse.engine.engine import Engine
from fluxhouse.engine.options import EngineOptions, ModelWeights
from fluxhouse.engine.testcard import TestCard
from fluxhouse.generation.backend import Backend, Serving
from fluxhouse.generation.clock import SystemClock
from fluxhouse.generation.errors import WeightsUnavailable
from fluxhouse.probes import Probes
from fluxhouse.settings import Settings, SettingsRefused
from fluxhouse.storage.fetch import Fetcher
from fluxhouse.storage.opening import ExtraMissing, Store, open_storage
from fluxhouse.storage.urls import UrlSigner
from fluxhouse.worker.deliver import Deliverer, Renderer
from fluxhouse.worker.meter import WorkMeter
from fluxhouse.worker.routing import ANY, Router
from fluxhouse.worker.sweep import FLEET, Sweeper
from fluxhouse.worker.worker import Source, Worker, WorkerOptions

log = structlog.get_logger()

TESTCARD = "testcard"
ENGINE_PACKAGES = ("torch", "diffusers", "transformers", "safetensors", "tokenizers")
_REAL = "fluxhouse-engine"
_PEPPER = b"fluxhouse api keys 1"  # keeps what the secret does for keys apart from what it does for URLs


class EngineMissing(RuntimeError):
    """The packages that make images are not installed."""


@dataclass(frozen=True, slots=True)
class Made:
    """Who makes the images here: backends by model id, what they serve, and the engines among them, not yet started."""

    backends: Mapping[str, Backend]
    serving: Mapping[str, Serving]
    engines: Sequence[Engine] = ()


class Platform:
    """The whole installation in one process: `start` it, mount `app`, `stop` it.

    `start` returns while the engine still loads; `warmed_up` waits for that and raises what went wrong.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        door: Door,
        worker: Worker | None,
        sweeper: Sweeper,
        deliverer: Deliverer,
        fetcher: Fetcher,
        engines: Sequence[Engine],
        meter: WorkMeter,
        relay: Relay | None = None,
    ) -> None:
        self.settings = settings
        self.database = database
        self.door = door
        meter.watch(engines)
        self.app: ASGIApp = create_app(door, self.not_ready, [meter.registry])
        self.probes: ASGIApp = Probes(database, door.clock.now, self.not_ready, [meter.registry]).app()
        self._worker = worker
        self._sweeper = sweeper
        self._deliverer = deliverer
        self._fetcher = fetcher
        self._relay = relay
        self.engines = engines
        self._lock = FolderLock(settings.data_folder / "lock")
        self._warm: asyncio.Future[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._draining = False

    async def start(self) -> None:
        """Open the data folder and begin to work; raises `FolderInUse`."""
        await self.open()
        await self.begin()

    async def open(self) -> None:
        """Lock the data folder, where it is no fleet's, and bring the database up to date; nothing works on it yet."""
        if not self.settings.is_fleet:
            self._lock.acquire()
        try:
            await asyncio.to_thread(self.database.migrate)
            self.database.start()
        except BaseException:
            self._lock.release()
            raise

    async def begin(self) -> None:
        """Take up what an earlier process left, warm the engine up, work and sweep."""
        self._warm = asyncio.get_running_loop().create_future()
        if self._worker is not None:
            await self._worker.recover()
        standing = [self._sweeper.run(), self._deliverer.run(), self._work()]
        if self._relay is not None:
            standing.append(self._relay.run())
        self._tasks = [asyncio.create_task(task) for task in standing]
        if not self.engines:
            await self.warmed_up()

    async def drain(self) -> None:
        """Take no job up any more, let running ones end within their grace and put the others back, and then answer
        whoever waits with what there is. The API still takes requests in; `/readyz` says that it should get none.
        """
        if not self._draining:
            self._draining = True
            log.info("draining")
            if self._worker is not None:
                await self._worker.stop()
            self.door.feed.close()
            await self._deliverer.stop()

    async def stop(self) -> None:
        """Drain where nobody did, and let go of everything."""
        await self.drain()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for engine in self.engines:
            await engine.close()
        await self._fetcher.aclose()
        await asyncio.to_thread(self.database.close)
        self._lock.release()

    async def warmed_up(self) -> None:
        """Return once jobs can be worked here; raises what kept the engine from starting."""
        assert self._warm is not None, "Platform.begin() comes first"
        await asyncio.shield(self._warm)

    async def not_ready(self) -> str | None:
        """Why this process cannot take jobs now; None where it can."""
        if self._draining:
            return "this process is about to end"
        try:
            await self.database.ping()
        except Exception as error:
            log.error("database_unreachable", reason=str(error))
            return "the database does not answer"
        if self._worker is None:
            return None
        if self._warm is None or not self._warm.done():
            return "the engine is starting"
        if self._warm.exception() is not None or not all(engine.ready for engine in self.engines):
            return "the engine is not running"
        return None

    async def _work(self) -> None:
        assert self._warm is not None, "called by begin()"
        try:
            if self.engines:
                await make_builtin(self.settings)
            for engine in self.engines:
                await engine.start()
        except Exception as error:
            log.error("engine_not_started", reason=str(error))
            self._warm.set_exception(error)
            self._warm.exception()  # Seen: nobody need wait for it.
            return
        self._warm.set_result(None)
        if self._worker is not None:
            await self._worker.run()


def assemble(settings: Settings, backends: Mapping[str, Backend] | None = None, *, works: bool = True) -> Platform:
    """An installation by its settings. `backends` by model id, `*` for the rest, stand in for the engine and are
    already started; without `works` this process makes no images.
    """
    catalog, clock = Catalog.load(), SystemClock()
    made = make_backends(settings, catalog) if backends is None else _handed_in(backends, catalog)
    router = Router(made.backends, made.serving)
    make_data_folder(settings)
    database = Database(settings.database_address)
    storage = _storage(settings)
    feed, bell, meter = Feed(), Bell(), WorkMeter()
    secret = read_secret(settings)
    fetcher = Fetcher(settings.egress_allow)
    options = DoorOptions(pepper(secret), settings.address, settings.output_ttl, router.serving())
    signer = UrlSigner(secret, settings.address)
    door = Door(database, catalog, storage, signer, fetcher, feed, bell, clock, options)
    return Platform(
        settings,
        database,
        door,
        Worker(database, router, storage, feed, bell, clock, meter=meter, source=_source(database, router))
        if works
        else None,
        Sweeper(database, storage, feed, bell, clock, FLEET if settings.is_fleet else None),
        Deliverer(database, fetcher, renderers(door), options.pepper, feed.changed, clock, meter=meter),
        fetcher,
        made.engines if works else (),
        meter,
        None if database.shared is None else Relay(database, database.shared, storage, feed),
    )


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


def renderers(door: Door) -> Mapping[str, Renderer]:
    """For each dialect, a job as it answers who asks for it."""
    return {native.DIALECT: partial(native.job_body, door), pixazo.DIALECT: partial(pixazo.job_body, door)}


def make_backends(settings: Settings, catalog: Catalog) -> Made:
    """The backends that `FLUXHOUSE_MODELS` names, the built-in model for everything where it names none."""
    ids = [model.id for model in catalog.models]
    if unknown := [name for name in settings.models if name not in (ANY, *ids)]:
        raise SettingsRefused(f"FLUXHOUSE_MODELS: there is no model {unknown[0]!r}; there are {', '.join(ids)}")
    sources = settings.models or {ANY: str(builtin_folder(settings))}
    chosen = {model: source for model in ids if (source := sources.get(model) or sources.get(ANY))}
    cards = _cards(set(chosen.values()))
    weights = {model: _weights(Path(folder), settings) for model, folder in chosen.items() if folder not in cards}
    painted = _handed_in({model: cards[source] for model, source in chosen.items() if source in cards}, catalog)
    engines = [engine for name in (builtin.NAME, _REAL) if (engine := _engine(name, weights, settings)) is not None]
    serving = {model: facts for engine in engines for model, facts in engine.serving.items()}
    by_model: dict[str, Backend] = {model: engine for engine in engines for model in engine.serving}
    return Made(by_model | dict(painted.backends), serving | dict(painted.serving), engines)


def _cards(sources: Iterable[str]) -> Mapping[str, TestCard]:
    """Those that `testcard` or `testcard:SECONDS` names, which is how long a step shall take."""
    try:
        return {source: TestCard.named(source) for source in sources if source.partition(":")[0] == TESTCARD}
    except ValueError:
        raise SettingsRefused("FLUXHOUSE_MODELS: testcard:SECONDS takes the seconds of one step") from None


def read_secret(settings: Settings) -> bytes:
    """The installation's secret: `FLUXHOUSE_SECRET`, or the data folder's own, made where there is none yet."""
    if settings.secret is not None:
        return settings.secret.get_secret_value().encode()
    path = settings.data_folder / "secret"
    if not path.exists():
        with suppress(FileExistsError):
            write_private(path, secrets.token_hex(32) + "\n", replace=False)
    return path.read_text().strip().encode()


def pepper(secret: bytes) -> bytes:
    """What API keys are hashed with."""
    return hmac.digest(secret, _PEPPER, hashlib.sha256)


def make_data_folder(settings: Settings) -> None:
    """Make the data folder where it is missing; prompts and pictures are nobody else's to read."""
    settings.data_folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def write_private(path: Path, content: str, *, replace: bool) -> None:
    """Write a file that only its owner can read, whole or not at all; FileExistsError unless it may be replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with open(descriptor, "w") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            os.replace(partial, path)
        else:
            os.link(partial, path)
    finally:
        Path(partial).unlink(missing_ok=True)


def builtin_folder(settings: Settings) -> Path:
    """Where this data folder keeps the built-in checkpoint of this version."""
    return settings.data_folder / "models" / f"{builtin.NAME}-{builtin.VERSION}"


async def make_builtin(settings: Settings) -> None:
    """Write the built-in checkpoint where it is wanted and not there yet, in a process of its own that may need torch.

    Raises `WeightsUnavailable`.
    """
    folder = builtin_folder(settings)
    if settings.models or (folder / builtin.FINISHED_MARKER).exists():
        return
    log.info("builtin_being_made", folder=str(folder))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLUXHOUSE_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fluxhouse.builtin.make", str(folder)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    try:
        _, complaint = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        last = (complaint.decode(errors="replace").strip().splitlines() or ["no reason given"])[-1]
        raise WeightsUnavailable(f"The built-in model could not be written to {folder}: {last}")


def require_engine_packages() -> None:
    """Raise `EngineMissing` unless what makes images is installed."""
    if missing := [name for name in ENGINE_PACKAGES if find_spec(name) is None]:
        raise EngineMissing(f"the engine needs {', '.join(missing)}: install with pip install 'fluxhouse[engine]'")


def _engine(name: str, weights: Mapping[str, ModelWeights], settings: Settings) -> Engine | None:
    """The engine of that name with the weights it may show under it; None where there are none."""
    models = {model: one for model, one in weights.items() if _shown_name(one.folder, settings) == name}
    if not models:
        return None
    dtype = "float32" if settings.device == "cpu" else "bfloat16"
    threads = settings.threads or min(os.cpu_count() or 1, 16)
    readable = tuple({folder for folder in (settings.files_folder, settings.storage_folder) if folder is not None})
    return Engine(EngineOptions(models, name, settings.device, dtype, threads, readable=readable))


def _shown_name(folder: Path, settings: Settings) -> str:
    """The built-in model is never passed off as something else, wherever it was copied to."""
    stands_in = folder == builtin_folder(settings) or (folder / builtin.FINISHED_MARKER).exists()
    return builtin.NAME if stands_in else _REAL


def _weights(folder: Path, settings: Settings) -> ModelWeights:
    """What holds for the checkpoint in a diffusers folder; raises `SettingsRefused` where it is none."""
    folder = folder.expanduser().absolute()
    if _shown_name(folder, settings) == builtin.NAME:
        return ModelWeights(
            folder, builtin.DEFAULT_STEPS, builtin.DEFAULT_GUIDANCE, builtin.MAX_TEXT_TOKENS, fit_references=True
        )
    try:
        guided = json.loads((folder / "transformer" / "config.json").read_text())["guidance_embeds"]
    except (OSError, ValueError, KeyError):
        raise SettingsRefused(f"FLUXHOUSE_MODELS: {folder} is no diffusers folder of a FLUX.1 model") from None
    return ModelWeights(folder, 28, 3.5, 512) if guided else ModelWeights(folder, 4, None, 256)


def _handed_in(backends: Mapping[str, Backend], catalog: Catalog) -> Made:
    """Backends that somebody else started."""
    serving = {
        model.id: _facts(backend)
        for model in catalog.models
        if (backend := backends.get(model.id) or backends.get(ANY)) is not None
    }
    return Made(backends, serving)


def _facts(backend: Backend) -> Serving:
    """A backend's defaults; the built-in model's for one that has none of its own."""
    if isinstance(backend, TestCard):
        return Serving(backend.name, backend.steps, backend.guidance)
    return Serving(backend.name, builtin.DEFAULT_STEPS, builtin.DEFAULT_GUIDANCE)
