"""What a process shows its operator: its own numbers, the installation's, and what is left without the database."""

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from fluxhouse.assembly import assemble
from fluxhouse.core import accounts, keys, ledger
from fluxhouse.engine.testcard import TestCard
from fluxhouse.generation.errors import DatabaseUnavailable
from fluxhouse.settings import Settings


@pytest.fixture
async def platform(tmp_path):
    built = assemble(Settings(data=tmp_path, public_url="http://house.test"), backends={"*": TestCard()})
    await built.start()
    yield built
    await built.stop()


async def asked(app, path):
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://house.test") as client:
        return await client.get(path)


async def numbers(app):
    """(name, labels) -> value of everything that is shown."""
    text = (await asked(app, "/metrics")).text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_the_ledger_shows_without_its_accounts(platform):
    """Sums over all accounts: granted credits are what can be spent, what is held and what was earned."""

    def grant(connection):
        now = platform.door.clock.now()
        for name in ("canary-one", "canary-two"):
            account = accounts.create(connection, name, now)
            ledger.grant(connection, account.id, 10_000_000, now, None)
        ledger.hold(connection, account.id, "0" * 32, 4_000_000, now)
        ledger.capture(connection, account.id, "0" * 32, 1_000_000, now)
        return keys.issue(connection, account.id, platform.door.options.pepper, now)[1]

    await platform.database.write(grant)
    shown = await numbers(platform.app)
    credits = {labels[0][1]: value for (name, labels), value in shown.items() if name == "fluxhouse_credits"}
    assert credits == {"available": 16, "held": 3, "granted": 20, "earned": 1}
    assert shown["fluxhouse_webhooks_pending", ()] == shown["fluxhouse_webhooks_late_seconds", ()] == 0
    assert shown["fluxhouse_ready", ()] == shown["fluxhouse_database_up", ()] == 1
    assert shown["process_resident_memory_bytes", ()] > 0
    assert not [name for name in shown if "canary" in str(name)]


async def test_without_the_database_its_own_numbers_remain(platform):
    """A process cut off from its database says so, and still shows what it measured."""

    async def away(_query):
        raise DatabaseUnavailable

    platform.database.read = away
    shown = await numbers(platform.app)
    assert shown["fluxhouse_database_up", ()] == 0
    assert shown["fluxhouse_webhook_attempts_total", (("state", "delivered"),)] == 0
    assert not [name for name, _ in shown if name.startswith(("fluxhouse_queue", "fluxhouse_usage"))]


async def test_a_worker_shows_its_probes_and_nothing_else(platform):
    """The probes alone answer without the API."""
    assert (await asked(platform.probes, "/healthz")).json() == {"status": "ok"}
    assert (await asked(platform.probes, "/readyz")).json() == {"status": "ready"}
    assert "fluxhouse_queue_depth" in (await asked(platform.probes, "/metrics")).text
    assert (await asked(platform.probes, "/api/v1/models")).status_code == 404


async def test_no_number_is_shown_twice(platform):
    """One name has one family, as Prometheus demands."""
    text = (await asked(platform.app, "/metrics")).text
    named = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert sorted(named) == sorted(set(named))
