"""Finding jobs again: every condition by itself, all together, and pages that miss nothing."""

import shutil
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluxhouse.core import job_search, settle
from fluxhouse.core.job_search import Search
from fluxhouse.core.jobs import OPEN_STATES, JobState
from fluxhouse.database.database import Database
from fluxhouse.generation.errors import OutOfMemory
from fluxhouse.generation.request import GenerationRequest


@pytest.fixture
def three(house, ada):
    """A fox that was made, a 50% grey square an hour later that waits, and somebody else's fox."""

    def asked(prompt):
        return GenerationRequest(model="flux-dev", prompt=prompt, width=64, height=64, seed=1)

    fox = house.job(ada, request=asked("A Fox in the snow"))
    house.claim()
    house.succeed(house.read(fox))
    house.clock.advance(hours=1)
    square = house.job(ada, request=asked("50% grey square"))
    house.job(house.caller("ben"), request=asked("another fox"))
    return {fox.id: "fox", square.id: "square"}


@pytest.mark.parametrize(
    ("search", "names"),
    [
        (Search(), ["square", "fox"]),
        (Search(text="fOX"), ["fox"]),
        (Search(text="0% g"), ["square"]),
        (Search(text="%"), ["square"]),
        (Search(text="_"), []),
        (Search(states=OPEN_STATES), ["square"]),
        (Search(states={JobState.SUCCEEDED, JobState.FAILED}), ["fox"]),
        (Search(model="flux-dev"), ["square", "fox"]),
        (Search(model="flux"), []),
        (Search(key_id="nothing"), []),
        (Search(text="fox", states=OPEN_STATES), []),
    ],
)
def test_jobs_are_found_by_what_is_known_of_them(house, ada, three, search, names):
    """Of the own account alone, the newest first; a per cent sign is a per cent sign."""
    found = house.see(job_search.found, ada.account.id, search, 10)
    assert [three[job.id] for job in found] == names


def test_a_day_begins_with_its_first_moment(house, ada, three):
    """`since` is included, `until` is not."""
    later, earlier = house.see(job_search.found, ada.account.id, Search(), 10)
    assert house.see(job_search.found, ada.account.id, Search(since=later.created_at), 10) == [later]
    assert house.see(job_search.found, ada.account.id, Search(until=later.created_at), 10) == [earlier]
    mine = Search(key_id=ada.key.id, since=earlier.created_at, until=later.created_at + timedelta(seconds=1))
    assert house.see(job_search.found, ada.account.id, mine, 10) == [later, earlier]


def test_pages_are_stable_while_jobs_arrive(house):
    """Walking back by cursor meets each job once, newest first, even among jobs of one microsecond."""
    caller = house.caller()
    for number in range(12):
        house.job(caller)
        if number % 4 == 0:
            house.clock.advance(microseconds=1)
    seen, before = [], None
    while page := house.see(job_search.found, caller.account.id, Search(before=before), 5):
        seen += page
        before = (page[-1].created_at, page[-1].id)
        house.clock.advance(seconds=1)
        house.job(caller)
    assert len({job.id for job in seen}) == len(seen) == 12
    assert seen == sorted(seen, key=lambda job: (job.created_at, job.id), reverse=True)


@given(limit=st.integers(1, 7))
@settings(max_examples=7)
def test_every_page_size_walks_the_same_jobs(paged, limit):
    """The pages of any size, put together, are the list."""
    house, caller, everything = paged
    seen, before = [], None
    while page := house.see(job_search.found, caller.account.id, Search(before=before), limit):
        assert len(page) <= limit
        seen += [job.id for job in page]
        before = (page[-1].created_at, page[-1].id)
    assert seen == everything


@pytest.fixture(scope="module")
def paged(template, tmp_path_factory, house_type):
    path = shutil.copy(template, tmp_path_factory.mktemp("paged"))
    house = house_type(Database(f"sqlite:///{path}"), f"sqlite:///{path}")
    caller = house.caller()
    for number in range(9):
        house.job(caller)
        house.clock.advance(seconds=number % 2)
    everything = [job.id for job in house.see(job_search.found, caller.account.id, Search(), 100)]
    yield house, caller, everything
    house.database.close()


def test_a_list_can_be_narrowed(house, ada):
    """By state and by the model asked; other accounts' jobs are never in it."""
    ended = house.succeed(house.running(ada))
    failed = house.do(settle.fail, house.running(ada), OutOfMemory(), house.now())
    waiting = house.job(ada)
    house.job(house.caller("ben"))

    def listed(**narrowed):
        return {job.id for job in house.see(job_search.found, ada.account.id, Search(**narrowed), 10)}

    assert listed() == {ended.id, failed.id, waiting.id}
    assert listed(states=[JobState.FAILED, JobState.QUEUED]) == {failed.id, waiting.id}
    assert (listed(model="flux-dev"), listed(model="flux")) == (listed(), set())
