"""A rolling upgrade: this version goes on working beside a next one that has added to the tables."""

import httpx2
from sqlalchemy import inspect, text

from fluxhouse.assembly import assemble
from fluxhouse.core import accounts, keys, ledger
from fluxhouse.core.reconcile import reconcile
from fluxhouse.database.database import Database
from fluxhouse.engine.testcard import TestCard
from fluxhouse.settings import Settings


def next_version(connection):
    """What a later release may do: a column for every table, a table of its own, a later number."""
    for table in inspect(connection).get_table_names():
        connection.execute(text(f"ALTER TABLE {table} ADD COLUMN tomorrow TEXT"))
    connection.execute(text("CREATE TABLE tomorrows (id INTEGER PRIMARY KEY)"))
    connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))


def migrated(tmp_path):
    """A data folder whose database the next version has seen."""
    database = Database(f"sqlite:///{tmp_path / 'fluxhouse.db'}")
    database.migrate()
    with database.transaction() as connection:
        next_version(connection)
    database.close()
    return tmp_path


async def job_made(platform):
    """Take a job in, have it made, and read it back."""

    def make(connection):
        now = platform.door.clock.now()
        account = accounts.create(connection, "me", now)
        ledger.grant(connection, account.id, 10_000_000, now, None)
        return keys.issue(connection, account.id, platform.door.options.pepper, now)[1]

    headers = {"Authorization": f"Bearer {await platform.database.write(make)}", "Prefer": "wait"}
    transport = httpx2.ASGITransport(app=platform.app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://house.test", headers=headers) as client:
        body = {"prompt": "a fox", "width": 256, "height": 256}
        made = (await client.post("/api/v1/models/flux-dev/run", json=body)).json()
        listed = (await client.get("/api/v1/jobs")).json()
        usage = await client.get("/api/v1/usage")
        assert usage.status_code == 200
    return made, listed


async def works(platform):
    made, listed = await job_made(platform)
    assert made["status"] == "completed"
    assert made["jobId"] in str(listed)
    assert await platform.database.read(reconcile) == []


async def test_this_version_starts_and_works_on_the_next_ones_tables(tmp_path):
    """A process that restarts while others are upgraded already takes jobs in, makes them and charges them."""
    platform = assemble(Settings(data=migrated(tmp_path), public_url="http://house.test"), {"*": TestCard()})
    await platform.start()
    try:
        await works(platform)
    finally:
        await platform.stop()


async def test_this_version_goes_on_while_the_next_one_migrates(tmp_path):
    """A process that runs while somebody else migrates does not notice."""
    platform = assemble(Settings(data=tmp_path, public_url="http://house.test"), {"*": TestCard()})
    await platform.start()
    try:
        await platform.database.write(next_version)
        await works(platform)
    finally:
        await platform.stop()
