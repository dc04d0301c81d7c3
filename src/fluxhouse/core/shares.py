"""Fair shares: the virtual time of start-time fair queueing, and where in it each account's next job starts."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Connection, String, Table, bindparam, case, func, select
from sqlalchemy.dialects.postgresql import insert  # SQLite compiles its ON CONFLICT as well

from fluxhouse.core.jobs import Job
from fluxhouse.database.schema import metadata

_CLOCK = ""  # the row that holds the virtual time itself
_COST_UNIT_PX = 64 * 64  # cost is counted in blocks of 64 x 64 px times steps

fair_shares = Table(
    "fair_shares",
    metadata,
    Column("account_id", String(32), primary_key=True),
    Column("finish_tag", BigInteger, nullable=False),
)

_CLOCK_ROW = fair_shares.alias("clock")
_PRESENT = select(_CLOCK_ROW.c.finish_tag).where(_CLOCK_ROW.c.account_id == _CLOCK)
_NOW, _COST = func.coalesce(_PRESENT.scalar_subquery(), 0), bindparam("cost", type_=BigInteger)
# An account's next job starts at the later of the present and its own last end.
_TAKE_TURN = (
    insert(fair_shares)
    .values(account_id=bindparam("of_account"), finish_tag=_NOW + _COST)
    .on_conflict_do_update(
        index_elements=[fair_shares.c.account_id],
        set_={"finish_tag": case((fair_shares.c.finish_tag > _NOW, fair_shares.c.finish_tag), else_=_NOW) + _COST},
    )
    .returning(fair_shares.c.finish_tag - _COST)
)
_FIRST = insert(fair_shares)
_MOVE_ON = _FIRST.on_conflict_do_update(
    index_elements=[fair_shares.c.account_id],
    set_={"finish_tag": _FIRST.excluded.finish_tag},
    where=fair_shares.c.finish_tag < _FIRST.excluded.finish_tag,
)


def next_tag(connection: Connection, job: Job, weight: int, steps: int) -> int:
    """The tag of an account's new job, which moves the account's next one on by what this one costs.

    Start-time fair queueing (Goyal, Vin, Cheng 1996): an account's next job starts, in virtual time, where its last one
    ends, but never before the present; the virtual time is the tag of the newest claim. So an account with a thousand
    jobs waiting has tags far ahead, and another's first job has a tag of now.
    """
    request = job.request
    cost = max(1, request.width * request.height // _COST_UNIT_PX) * steps * request.count
    turn = {"of_account": job.account_id, "cost": max(1, cost // weight)}
    return int(connection.execute(_TAKE_TURN, turn).scalar_one())


def present(connection: Connection) -> int:
    """The virtual time."""
    return connection.execute(_PRESENT).scalar() or 0


def advance(connection: Connection, tag: int) -> None:
    """A job with this tag was claimed; the clock never goes back."""
    # Read first, since even an upsert that changes nothing would lock the row that all workers share.
    if tag > present(connection):
        connection.execute(_MOVE_ON, {"account_id": _CLOCK, "finish_tag": tag})


def end_period(connection: Connection) -> None:
    """Nothing waits or runs: virtual time moves on to the end of all that was asked, as the paper has it.

    So nobody who comes later pays for what he used while the house had time to spare.
    """
    advance(connection, connection.execute(select(func.max(fair_shares.c.finish_tag))).scalar() or 0)
