"""Word of a job travels between processes, and a lost notification is only a delay."""

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest

from fluxhouse.core.cancel import cancel
from fluxhouse.core.feed import Feed, ImageReady, StateChanged
from fluxhouse.core.relay import Relay
from fluxhouse.database.database import Database
from fluxhouse.generation.backend import Preview, StepDone
from fluxhouse.storage.local import LocalStorage

pytestmark = pytest.mark.parametrize("new_url", ["postgres"], indirect=True)


@asynccontextmanager
async def hearing(house, folder):
    """A feed in a process of its own, as far as the database can tell."""
    database, feed = Database(house.url), Feed()
    database.start()
    relay = asyncio.create_task(Relay(database, database.shared, LocalStorage(folder), feed).run())
    with feed.subscribe("ready") as ready:
        await asyncio.wait_for(ready.get(), 10)  # it stirs everyone once it listens
    try:
        yield feed
    finally:
        relay.cancel()
        await asyncio.gather(relay, return_exceptions=True)
        database.close()


async def test_hints_reach_another_process(live, tmp_path, ada):
    """Steps, images and the newest preview arrive; nobody hears an echo; the preview goes with the job's end."""
    job = live.job(ada)
    async with hearing(live, tmp_path) as here, hearing(live, tmp_path) as there:
        with here.subscribe(job.id) as mine, there.subscribe(job.id) as theirs:
            hints = [StepDone(0, 3, 8, 0.5), Preview(0, 3, b"picture"), ImageReady(0, "outputs/a/0.png")]
            for hint in hints:
                here.publish(job.id, hint)
            heard = [await asyncio.wait_for(theirs.get(), 10) for _ in hints]
            assert sorted(map(repr, heard)) == sorted(map(repr, hints))
            assert [mine.get_nowait() for _ in hints] == hints
            assert mine.empty()
        assert there.step(job.id) == hints[0]
        preview = tmp_path / "outputs" / job.id / "preview.jpg"
        assert preview.read_bytes() == b"picture"
        here.forget(job.id)
        async with asyncio.timeout(10):
            while preview.exists():  # noqa: ASYNC110  The file is what is asked about.
                await asyncio.sleep(0.02)


async def test_a_change_is_told_at_its_commit(live, tmp_path, ada):
    """A claim and a request to stop made anywhere are heard everywhere; what is rolled back is not."""
    job = live.job(ada)
    async with hearing(live, tmp_path) as feed:
        with feed.subscribe(job.id) as hints:
            with suppress(ZeroDivisionError), live.transaction() as connection:
                cancel(connection, job, live.now())
                raise ZeroDivisionError
            (running,) = live.claim()
            assert await asyncio.wait_for(hints.get(), 10) == StateChanged()
            live.do(cancel, running, live.now())
            assert await asyncio.wait_for(hints.get(), 10) == StateChanged()
            assert hints.empty()
