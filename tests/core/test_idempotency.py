"""Idempotency keys: 255 characters, one first answer, purged in time."""

import asyncio

import pytest

from fluxhouse.core import idempotency
from fluxhouse.core.idempotency import FirstAnswer, IdempotencyKey
from fluxhouse.core.submit import submit
from fluxhouse.database.database import Database
from fluxhouse.generation.errors import IdempotencyMismatch

SENT = IdempotencyKey("k" * idempotency.MAX_LENGTH, "/run", "a" * 64)


def test_the_first_answer_is_recalled_word_for_word(house, ada):
    """Job and balance as they were then; another body is a mismatch, another account knows nothing."""
    answer = FirstAnswer(house.job(ada).id, 42)
    house.do(idempotency.remember, ada.account.id, SENT, answer, house.now())
    assert house.do(idempotency.recall, ada.account.id, SENT, house.now()) == answer
    assert house.see(idempotency.is_kept, ada.account.id, SENT.key, house.now())
    assert not house.see(idempotency.is_kept, house.caller("eve").account.id, SENT.key, house.now())
    assert house.do(idempotency.recall, house.caller("ben").account.id, SENT, house.now()) is None
    with pytest.raises(IdempotencyMismatch):
        house.do(idempotency.recall, ada.account.id, IdempotencyKey(SENT.key, "/run", "b" * 64), house.now())


def test_an_old_key_is_forgotten_even_unpurged(house, ada):
    """After 24 hours another body may use it, and may be remembered."""
    answer = FirstAnswer(house.job(ada).id, 42)
    house.do(idempotency.remember, ada.account.id, SENT, answer, house.now())
    other = IdempotencyKey(SENT.key, "/other", "b" * 64)
    now = house.clock.advance(hours=24)
    assert not house.see(idempotency.is_kept, ada.account.id, SENT.key, now)
    assert house.do(idempotency.recall, ada.account.id, other, now) is None
    house.do(idempotency.remember, ada.account.id, other, answer, now)
    assert house.do(idempotency.purge, now) == 0


async def test_many_at_once_through_two_processes_are_one(house, ada):
    """The same submit from eight callers at the same moment, at two API processes, makes one job and one hold."""
    databases = [Database(house.url)] if house.url.startswith("sqlite") else [Database(house.url), Database(house.url)]
    for database in databases:
        database.start()
    submission = house.submission(ada, idempotency=IdempotencyKey("key", "/run", "a" * 64))
    tries = [database.write(lambda c: submit(c, submission, house.now())) for database in databases for _ in range(8)]
    answers = await asyncio.gather(*tries)
    for database in databases:
        database.close()
    assert len({answer.job.id for answer in answers}) == 1
    assert [answer.replayed for answer in answers].count(False) == 1
    assert house.balance(ada)[1] == submission.price_micro
    assert house.drift() == []
