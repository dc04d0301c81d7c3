"""Any order and amount of grants, holds, captures and releases leaves the ledger as a plain model of it says."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from fluxhouse.core import ledger
from fluxhouse.core.ids import new_id
from fluxhouse.core.reconcile import reconcile
from fluxhouse.generation.errors import InsufficientCredits

OWNERS = st.sampled_from(["ada", "ben"])
AMOUNTS = st.integers(0, 5_000_000)
PICKS = st.integers(0, 50)


class LedgerMachine(RuleBasedStateMachine):
    """The model: what each owner has, and of each job who owns it and how much of its hold is left."""

    def __init__(self, house):
        super().__init__()
        self.house = house
        self.available = defaultdict(int)
        self.jobs = {}
        self.done = set()
        self.granted = self.earned = 0

    def teardown(self):
        self.house.database.close()  # hundreds of examples would otherwise use up the connections of one server

    @rule(owner=OWNERS, amount=AMOUNTS)
    def grant(self, owner, amount):
        self.house.do(ledger.grant, owner, amount, self.house.now(), None)
        self.available[owner] += amount
        self.granted += amount

    @rule(owner=OWNERS, amount=AMOUNTS)
    def hold(self, owner, amount):
        job_id = new_id()
        if amount > self.available[owner]:
            with pytest.raises(InsufficientCredits) as refused:
                self.house.do(ledger.hold, owner, job_id, amount, self.house.now())
            assert refused.value.available_micro == self.available[owner]
            return
        left = self.house.do(ledger.hold, owner, job_id, amount, self.house.now())
        self.available[owner] -= amount
        assert left == self.available[owner]
        self.jobs[job_id] = [owner, amount]

    @rule(pick=PICKS, amount=AMOUNTS, verb=st.sampled_from([ledger.capture, ledger.release]))
    def settle(self, pick, amount, verb):
        """A job's hold is captured and released at most once each, and never for more than its owner holds."""
        if not self.jobs:
            return
        job_id = list(self.jobs)[pick % len(self.jobs)]
        owner, left = self.jobs[job_id]
        amount = min(amount, left)
        if (job_id, verb) in self.done:
            with pytest.raises(IntegrityError):
                self.house.do(verb, owner, job_id, amount, self.house.now())
            return
        self.house.do(verb, owner, job_id, amount, self.house.now())
        self.done.add((job_id, verb))
        self.jobs[job_id][1] -= amount
        if verb is ledger.capture:
            self.earned += amount
        else:
            self.available[owner] += amount

    @rule(owner=OWNERS, verb=st.sampled_from([ledger.capture, ledger.release]))
    def take_more_than_is_held(self, owner, verb):
        with pytest.raises(IntegrityError):
            self.house.do(verb, owner, new_id(), self.held(owner) + 1, self.house.now())

    @rule(owner=OWNERS, amount=st.integers(-5, -1), verb=st.sampled_from([ledger.hold, ledger.capture, ledger.release]))
    def move_a_negative_amount(self, owner, amount, verb):
        with pytest.raises(ValueError, match="negative"):
            self.house.do(verb, owner, new_id(), amount, self.house.now())

    def held(self, owner):
        return sum(left for of, left in self.jobs.values() if of == owner)

    @invariant()
    def the_balances_are_the_models(self):
        for owner in ("ada", "ben"):
            found = self.house.see(ledger.balance, owner)
            assert (found.available_micro, found.held_micro) == (self.available[owner], self.held(owner))

    @invariant()
    def nothing_is_made_or_lost(self):
        with self.house.database.snapshot() as connection:
            total = connection.execute(select(func.coalesce(func.sum(ledger.ledger_entries.c.amount_micro), 0)))
            projected = {row.ledger_account: row.amount_micro for row in connection.execute(select(ledger.balances))}
            assert total.scalar_one() == 0
            assert -projected.get(ledger.ISSUED, 0) == self.granted
            assert projected.get(ledger.EARNED, 0) == self.earned
            # There are no jobs here, so that the ledger's holds are all that may differ.
            assert {drift.rule for drift in reconcile(connection)} <= {"a hold has a job"}


@pytest.mark.parametrize("examples", [12, pytest.param(400, marks=pytest.mark.long)])
def test_the_ledger_is_its_model(open_house, examples):
    """Balances never go below zero, the sum stays zero, and each job's hold moves once."""
    campaign = settings(max_examples=examples, stateful_step_count=25)
    run_state_machine_as_test(lambda: LedgerMachine(open_house()), settings=campaign)
