"""Finding jobs again: every condition by itself, all together, and pages that miss nothing."""

from datetime import timedelta

import pytest

from fluxhouse.core import job_search
from fluxhouse.core.job_search import Search
from fluxhouse.core.jobs import OPEN_STATES, JobState
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


def test_pages_miss_nothing_and_repeat_nothing(house, ada):
    """Not even of jobs of the same moment."""
    made = {house.job(ada).id for _ in range(5)}
    seen, before = [], None
    while page := house.see(job_search.found, ada.account.id, Search(before=before), 2):
        seen += [job.id for job in page]
        before = (page[-1].created_at, page[-1].id)
    assert (len(seen), set(seen)) == (5, made)
