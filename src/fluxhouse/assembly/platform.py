"""A running installation: opened, working, drained and stopped, all in one process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog
from starlette.types import ASGIApp

from fluxhouse.app import create_app
from fluxhouse.console.cashier import Cashier
from fluxhouse.core.relay import Relay
from fluxhouse.database.database import Database
from fluxhouse.database.lock import FolderLock
from fluxhouse.dialects.dialect import Door
from fluxhouse.engine.engine import Engine
from fluxhouse.probes import Probes
from fluxhouse.providers.provider import Provider
from fluxhouse.providers.upsampler import ChatUpsampler
from fluxhouse.settings import Settings
from fluxhouse.storage.fetch import Fetcher
from fluxhouse.worker.deadlines import Deadlines
from fluxhouse.worker.deliver import Deliverer
from fluxhouse.worker.meter import WorkMeter
from fluxhouse.worker.sweep import Sweeper
from fluxhouse.worker.worker import Worker

log = structlog.get_logger()


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
        providers: Sequence[Provider] = (),
        cashier: Cashier | None = None,
        upsampler: ChatUpsampler | None = None,
    ) -> None:
        self.settings = settings
        self.database = database
        self.door = door
        meter.watch(engines)
        meter.watch_providers(providers)
        self.app: ASGIApp = create_app(door, self.not_ready, [meter.registry], cashier)
        self.probes: ASGIApp = Probes(database, door.clock.now, self.not_ready, [meter.registry]).app()
        self._worker = worker
        self._sweeper = sweeper
        self._deliverer = deliverer
        self._fetcher = fetcher
        self._relay = relay
        self._providers = providers
        self._upsampler = upsampler
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
        deadlines = Deadlines(self.database, self.door.feed, self.door.clock)
        offer = self.door.options.serving
        await offer.look(self.database)
        standing = [offer.run(self.database), self._sweeper.run(), self._deliverer.run(), deadlines.run(), self._work()]
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
        for provider in self._providers:
            await provider.aclose()
        if self._upsampler is not None:
            await self._upsampler.aclose()
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
