"""The one thread that writes: waiting transactions share a commit, each inside its own savepoint."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from fluxhouse.database.sqlite import told
from fluxhouse.generation.errors import DatabaseUnavailable

GROUP_LIMIT = 64  # transactions that may share one commit; bounds what one failed commit takes with it


@dataclass(frozen=True, slots=True, eq=False)
class _Ask:
    transaction: Callable[[Connection], Any]
    answer: Future[Any]


class Writer:
    """Runs transactions one after the other on one thread, in order of arrival.

    A durable commit costs one wait for the disk. Transactions that arrive while another runs join its group and share
    that wait; a failing one is rolled back to its own savepoint and disturbs no neighbour. No answer is given before
    the commit has returned, so what a caller was told is durable.

    `outage` is why the last commit failed, None where it did not.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._asks: SimpleQueue[_Ask | None] = SimpleQueue()
        self._closing = Lock()
        self._closed = False
        self.outage: DatabaseUnavailable | None = None
        self._thread = Thread(target=self._run, name="database-writer", daemon=True)
        self._thread.start()

    def submit(self, transaction: Callable[[Connection], Any]) -> Future[Any]:
        """Queue a transaction; the future has its value once it is committed, or what it raised.

        Cancelling the future keeps a transaction from being run that has not begun. RuntimeError once closed.
        """
        ask = _Ask(transaction, Future())
        with self._closing:
            if self._closed:
                raise RuntimeError("the database is closed")
            self._asks.put(ask)
        return ask.answer

    def close(self) -> None:
        """Finish what is queued, then end the thread; what is asked from here on is refused, not left waiting."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._asks.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (ask := self._asks.get()) is not None:
            if not self._commit_group(ask):
                return

    def _commit_group(self, first: _Ask) -> bool:
        """Run `first` and all that arrive meanwhile under one commit; False when told to end."""
        group: list[_Ask] = []
        outcomes: list[tuple[Any, BaseException | None]] = []
        go_on = True
        ask: _Ask | None = first
        try:
            with self._engine.begin() as connection:
                while ask is not None:
                    if ask.answer.set_running_or_notify_cancel():
                        group.append(ask)
                        outcomes.append(_attempt(connection, ask))
                    ask, go_on = self._next(len(group))
        except Exception as failure:
            # The commit failed, or the connection: nothing of the group is in the database.
            if not group and first.answer.set_running_or_notify_cancel():
                group = [first]
            outcomes = [(None, failure)] * len(group)
        outages = [_answer(each, value, error) for each, (value, error) in zip(group, outcomes, strict=True)]
        if outages:
            self.outage = next((outage for outage in outages if outage is not None), None)
        return go_on

    def _next(self, taken: int) -> tuple[_Ask | None, bool]:
        if taken >= GROUP_LIMIT:
            return None, True
        try:
            ask = self._asks.get_nowait()
        except Empty:
            return None, True
        return ask, ask is not None


def _attempt(connection: Connection, ask: _Ask) -> tuple[Any, BaseException | None]:
    savepoint = connection.begin_nested()
    try:
        value = ask.transaction(connection)
    except BaseException as error:  # Whatever it is belongs to the one who asked; it must not end the thread.
        try:
            savepoint.rollback()
        except DBAPIError:  # a full disk may have undone the whole transaction already: then it fails as a whole
            raise error from None
        return None, error
    savepoint.commit()
    return value, None


def _answer(ask: _Ask, value: Any, error: BaseException | None) -> DatabaseUnavailable | None:
    """Tell the one who asked; the outage, if that is what was told."""
    if error is None:
        ask.answer.set_result(value)
        return None
    error = told(error, writing=True)
    ask.answer.set_exception(error)
    return error if isinstance(error, DatabaseUnavailable) else None
