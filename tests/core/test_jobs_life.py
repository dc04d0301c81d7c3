"""Any life that jobs can have, crashes included, ends once and charges what was delivered and nothing else."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from fluxhouse.core import cancel, events, jobs, settle
from fluxhouse.core.idempotency import KEPT, IdempotencyKey
from fluxhouse.core.reconcile import reconcile
from fluxhouse.core.submit import Refused, submit
from fluxhouse.database.database import Database
from fluxhouse.generation.errors import IdempotencyMismatch, InsufficientCredits, JobAlreadyEnded, OutOfMemory

PICKS = st.integers(0, 40)
PRICE = 1_000_000
CREDIT = 12
FREE_ERRORS = {"out_of_memory", "engine_crashed", "attempts_exhausted", "expired"}


class PowerCut(Exception):
    """The process ends here, in the middle of a transaction."""


@dataclass
class Life:
    """What the model knows of one job."""

    owner: int
    count: int
    expires_at: datetime
    state: str = "queued"
    attempt: int = 0
    images: int = 0
    deaths: int = 0
    engine_deaths: int = 0
    cancel_requested: bool = False


class CallersMachine(RuleBasedStateMachine):
    """Those who submit, and what must hold of their jobs and credits after every step; the model is plain Python."""

    def __init__(self, house):
        super().__init__()
        self.house = house
        self.lives: dict[str, Life] = {}
        self.snapshots = []  # jobs as workers were given them, most of them out of date by now
        self.sent = {}

    @initialize()
    def open_accounts(self):
        self.callers = [self.house.caller("ada", CREDIT), self.house.caller("ben", CREDIT)]

    def teardown(self):
        self.house.database.close()  # hundreds of examples would otherwise use up the connections of one server

    def do(self, verb, *arguments, **named):
        return self.house.do(verb, *arguments, self.house.now(), **named)

    def pick(self, among, number):
        return among[number % len(among)] if among else None

    @rule(owner=st.integers(0, 1), count=st.integers(1, 3))
    def submit(self, owner, count):
        answer = self.do(submit, self.house.submission(self.callers[owner], count=count))
        self.taken_in(answer, owner, count)

    def taken_in(self, answer, owner, count):
        if count > self.left(owner):
            assert isinstance(answer, Refused)
            assert isinstance(answer.error, InsufficientCredits)
            return None
        assert answer.job.id not in self.lives
        self.lives[answer.job.id] = Life(owner, count, answer.job.expires_at)
        assert answer.available_micro == self.left(owner) * PRICE
        return answer.job

    @rule(owner=st.integers(0, 1), count=st.integers(1, 2), key=st.sampled_from(["a", "b"]), body=st.sampled_from("xy"))
    def submit_with_idempotency(self, owner, count, key, body):
        now = self.house.now()
        sent = IdempotencyKey(key, "/run", body * 64)
        answer = self.do(submit, self.house.submission(self.callers[owner], count=count, idempotency=sent))
        first = self.sent.get((owner, key))
        if first is None or first[2] <= now - KEPT:
            job = self.taken_in(answer, owner, count)
            if job is not None:
                self.sent[owner, key] = (body, job.id, now)
        elif first[0] == body:
            assert answer.replayed
            assert answer.job.id == first[1]
        else:
            assert isinstance(answer.error, IdempotencyMismatch)

    @rule(hours=st.sampled_from([0.01, 1, 13, -2]))
    def time_moves(self, hours):
        self.house.clock.advance(hours=hours)

    def left(self, owner):
        """Images that the owner can still pay."""
        mine = [life for life in self.lives.values() if life.owner == owner]
        return CREDIT - sum(life.count if life.state in ("queued", "running") else life.images for life in mine)

    @invariant()
    def every_job_is_where_the_model_has_it(self):
        with self.house.database.snapshot() as connection:
            assert reconcile(connection) == []
            for job_id, life in self.lives.items():
                job = jobs.get(connection, job_id)
                assert (job.state, job.attempt, job.engine_deaths) == (life.state, life.attempt, life.engine_deaths)
                assert (job.cancel_requested_at is not None) == life.cancel_requested
                if job.state.terminal:
                    assert job.captured_micro == PRICE * life.images == PRICE * len(job.images)
                    assert (job.error is not None) == (job.state == "failed")
                    assert job.error is None or job.error.code in FREE_ERRORS
                self.check_events(events.since(connection, job_id), life)

    def check_events(self, seen, life):
        assert [event.number for event in seen] == list(range(1, len(seen) + 1))
        assert sum(event.state.terminal for event in seen) == (life.state not in ("queued", "running"))
        assert seen[-1].state == life.state
        assert Counter(event.state for event in seen)["running"] == life.attempt

    @invariant()
    def every_owner_has_what_the_model_says(self):
        for owner, caller in enumerate(getattr(self, "callers", [])):
            mine = [life for life in self.lives.values() if life.owner == owner]
            held = sum(life.count for life in mine if life.state in ("queued", "running"))
            assert self.house.balance(caller) == (self.left(owner) * PRICE, held * PRICE)


class JobsMachine(CallersMachine):
    """Workers, engines, sweeps, cancels and power cuts beside those who submit."""

    def current(self, snapshot):
        """The model of a worker's job where that worker still has it, else None."""
        life = self.lives[snapshot.id]
        return life if (life.state, life.attempt) == ("running", snapshot.attempt) else None

    @rule(limit=st.integers(1, 3))
    def claim(self, limit):
        now = self.house.now()
        waiting = [life for life in self.lives.values() if life.state == "queued"]
        startable = [life for life in waiting if life.expires_at > now or life.attempt]
        claimed = self.house.claim(limit)
        assert len(claimed) == min(limit, len(startable))
        for job in claimed:
            life = self.lives[job.id]
            assert life.state == "queued"
            life.state, life.attempt = "running", life.attempt + 1
            assert (job.attempt, job.deaths, job.engine_deaths) == (life.attempt, life.deaths, life.engine_deaths)
            self.snapshots.append(job)

    @rule(number=PICKS, images=st.integers(0, 3), verb=st.sampled_from([settle.succeed, settle.cancelled]))
    def settle(self, number, images, verb):
        snapshot = self.pick(self.snapshots, number)
        if snapshot is None:
            return
        images = min(images, snapshot.request.count)
        life = self.current(snapshot)
        ended = self.do(verb, snapshot, self.house.outcome(snapshot, images))
        assert (ended is None) == (life is None)
        if life is not None:
            life.state = "succeeded" if verb is settle.succeed else "cancelled"
            life.images = images

    @rule(number=PICKS)
    def fail(self, number):
        snapshot = self.pick(self.snapshots, number)
        if snapshot is None:
            return
        life = self.current(snapshot)
        assert (self.do(settle.fail, snapshot, OutOfMemory()) is None) == (life is None)
        if life is not None:
            life.state = "failed"

    @rule(number=PICKS, alone=st.booleans())
    def engine_dies(self, number, alone):
        snapshot = self.pick(self.snapshots, number)
        if snapshot is None:
            return
        life = self.current(snapshot)
        assert (self.do(settle.engine_died, snapshot, alone=alone) is None) == (life is None)
        if life is not None and alone:
            life.state = "failed"
        elif life is not None and self.wait_again(life):
            life.engine_deaths += 1

    @rule(number=PICKS)
    def worker_stops(self, number):
        """A worker that lets go of a job in good order says nothing against it."""
        snapshot = self.pick(self.snapshots, number)
        if snapshot is None:
            return
        life = self.current(snapshot)
        assert (self.do(settle.hand_back, snapshot) is None) == (life is None)
        if life is not None:
            self.wait_again(life, deaths=0)

    def wait_again(self, life, deaths=1):
        if life.cancel_requested:
            life.state = "cancelled"
        elif life.deaths + deaths >= settle.MAX_DEATHS:
            life.state = "failed"
        else:
            life.state, life.deaths = "queued", life.deaths + deaths
        return life.state == "queued"

    @rule()
    def all_workers_die(self):
        recovered = self.do(settle.recover)
        running = {job_id for job_id, life in self.lives.items() if life.state == "running"}
        assert {job.id for job in recovered} == running
        for job_id in running:
            self.wait_again(self.lives[job_id])

    @rule(number=PICKS)
    def cancel(self, number):
        job_id = self.pick(list(self.lives), number)
        if job_id is None:
            return
        life, job = self.lives[job_id], self.house.see(jobs.get, job_id)
        if life.state not in ("queued", "running"):
            with pytest.raises(JobAlreadyEnded):
                self.do(cancel.cancel, job)
        elif life.state == "queued":
            assert self.do(cancel.cancel, job).state == "cancelled"
            life.state = "cancelled"
        else:
            assert self.do(cancel.cancel, job).cancel_requested_at is not None
            life.cancel_requested = True

    @rule()
    def sweep(self):
        """What waits past its expiry ends, what ran before an hour later, and that alone."""
        now = self.house.now()
        late = {
            job_id
            for job_id, life in self.lives.items()
            if life.state == "queued" and life.expires_at <= now - (timedelta(hours=1) if life.attempt else timedelta())
        }
        overdue = self.house.see(jobs.overdue, now, 100)
        assert {job.id for job in overdue} == late
        for job in overdue:
            assert self.do(settle.expire, job) is not None
            self.lives[job.id].state = "failed"

    @rule(number=PICKS, what=st.sampled_from(["submit", "claim", "settle", "recover", "cancel"]))
    def power_cut(self, number, what):
        """A transaction that was not committed leaves nothing behind, and the file opens again."""
        with pytest.raises(PowerCut):
            self.house.do(self.half_done, number, what)
        self.house.database.close()
        self.house.database = Database(self.house.url)

    def half_done(self, connection, number, what):
        now, snapshot = self.house.now(), self.pick(self.snapshots, number)
        job_id = self.pick(list(self.lives), number)
        if what == "submit":
            submit(connection, self.house.submission(self.callers[0]), now)
        elif what == "claim":
            self.house.claim_in(connection, 2)
        elif what == "recover":
            settle.recover(connection, now)
        elif what == "settle" and snapshot is not None:
            settle.succeed(connection, snapshot, self.house.outcome(snapshot), now)
        elif what == "cancel" and job_id is not None and self.lives[job_id].state in ("queued", "running"):
            cancel.cancel(connection, jobs.get(connection, job_id), now)
        raise PowerCut


@pytest.mark.parametrize("examples", [15, pytest.param(500, marks=pytest.mark.long)])
def test_a_jobs_life_is_its_model(open_house, examples):
    """Exactly one end per job, charged for delivered images alone, whatever happens in whatever order."""
    campaign = settings(max_examples=examples, stateful_step_count=30)
    run_state_machine_as_test(lambda: JobsMachine(open_house()), settings=campaign)
