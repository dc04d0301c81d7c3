"""A past written in bulk adds up as if it had been lived."""

from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection, func, select

from fluxhouse.cli.bench import past
from fluxhouse.core import accounts, keys, ledger, queue, settle
from fluxhouse.core.jobs import Job, jobs
from fluxhouse.core.keys import Caller
from fluxhouse.core.reconcile import reconcile
from fluxhouse.core.settle import Outcome
from fluxhouse.core.submit import Submission, Submitted, submit
from fluxhouse.core.topup import topup
from fluxhouse.database.database import Database
from fluxhouse.generation.clock import SystemClock
from fluxhouse.generation.image import DeliveredImage
from fluxhouse.generation.request import GenerationRequest

IMAGE = DeliveredImage(0, "outputs/x/0.png", "image/png", 64, 64, seed=1, size_bytes=9)
ASKED = GenerationRequest(model="flux-dev", prompt="a fox", width=64, height=64, seed=1)


def made(connection: Connection) -> Job:
    """A job that has ended well, of an account that can pay for a thousand."""
    now = SystemClock().now()
    account = accounts.create(connection, "ada", now)
    topup(connection, account.name, 10_000, now)
    key, _ = keys.issue(connection, account.id, b"pepper", now)
    wish = Submission(Caller(account, key), "native", "flux-dev", "test", ASKED, 10, 4, timedelta(hours=1))
    assert isinstance(submit(connection, wish, now), Submitted)
    (running,) = queue.claim(connection, 1, now)
    ended = settle.succeed(connection, running, Outcome([IMAGE], 1.0, "test"), now)
    assert ended is not None
    return ended


def test_a_written_past_reconciles(tmp_path: Path) -> None:
    """Each job is charged for its image and has its events, and the account has paid for all of them."""
    database = Database(f"sqlite:///{tmp_path / 'past.db'}")
    database.migrate()
    with database.transaction() as connection:
        template = made(connection)
    past.fill(database, template.id, 300)
    with database.snapshot() as connection:
        assert reconcile(connection) == []
        assert connection.execute(select(func.count()).select_from(jobs)).scalar_one() == 301
        assert ledger.balance(connection, template.account_id).total_micro == 10_000 - 301 * 10
    database.close()
