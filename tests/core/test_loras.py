"""LoRA files by content, the places they came from, and who has registered them."""

from concurrent.futures import ThreadPoolExecutor
from time import sleep

import pytest

from fluxhouse.core import loras
from fluxhouse.core.cancel import cancel
from fluxhouse.core.loras import LoraFile, RegisteredLora
from fluxhouse.generation.errors import UnknownLora
from fluxhouse.generation.request import GenerationRequest, Lora

BUDGET = 100


def file(name, size=40):
    return LoraFile(name * 64, size, "kohya", 2)


@pytest.fixture
def keep(house):
    """Keeps a file, by default with a place it was found at."""

    def kept(one, place=None):
        house.do(loras.add, one, house.now())
        house.do(loras.found_at, place or f"place of {one.sha256[0]}", one, house.now())
        return one

    return kept


@pytest.fixture
def register(house):
    def registered(one, caller, name="style"):
        lora = RegisteredLora(f"{name}{one.sha256[0]}", caller.account.id, one, name, None, house.now())
        return house.do(loras.register, lora)

    return registered


def dismissed(house):
    return [sha256[0] for sha256 in house.do(loras.dismiss, BUDGET, house.now())]


def test_a_place_is_believed_for_a_while(house, keep):
    """Then it must be asked again, and may hold something else."""
    keep(file("a"), "place")
    assert house.do(loras.use_place, "place", house.now()) == file("a")
    assert house.do(loras.use_place, "elsewhere", house.now()) is None
    house.clock.advance(hours=12)
    assert house.do(loras.use_place, "place", house.now()) is None
    keep(file("b"), "place")
    assert house.do(loras.use_place, "place", house.now()) == file("b")


def test_a_lora_is_its_owners_alone(house, ada, keep, register):
    """To be listed, used and removed by its account; registering it again gives the first one back."""
    first = register(keep(file("a")), ada)
    assert register(file("a"), ada) == first
    second = register(file("a"), ada, "other")
    ben = house.caller("ben")
    with pytest.raises(UnknownLora):
        house.see(loras.owned, first.id, ben.account.id)
    with pytest.raises(UnknownLora):
        house.do(loras.use_registered, first.id, ben.account.id, house.now())
    assert house.do(loras.use_registered, first.id, ada.account.id, house.now()) == file("a")
    assert {lora.id for lora in house.see(loras.of_account, ada.account.id)} == {first.id, second.id}
    house.do(loras.remove, first.id)
    assert house.see(loras.of_account, ada.account.id) == [second]


def test_within_the_budget_everything_stays(house, keep):
    """However long it was not used."""
    keep(file("a"))
    keep(file("b"))
    house.clock.advance(days=30)
    assert dismissed(house) == []


def test_beyond_the_budget_the_least_recently_used_goes(house, keep):
    """And no more than is too much; what was used just now stays, whatever it takes."""
    for name in "abcd":
        keep(file(name))
        house.clock.advance(minutes=10)
    house.clock.advance(minutes=20)
    house.do(loras.use, file("a").sha256, house.now())
    assert dismissed(house) == ["b", "c"]
    for name in "bc":
        assert house.do(loras.use, file(name).sha256, house.now()) is None
        assert house.see(loras.is_leaving, file(name).sha256)
        assert house.do(loras.use_place, f"place of {name}", house.now()) is None
        house.do(loras.forget, file(name).sha256, house.now())
        assert not house.see(loras.is_leaving, file(name).sha256)
    assert house.see(loras.known) == {file("a").sha256, file("d").sha256}


def test_what_is_registered_or_awaited_never_goes(house, ada, keep, register):
    """A job that has not ended keeps its file; an account's own counts towards its quota and not the budget."""
    register(keep(file("a", 10**6)), ada)
    request = GenerationRequest("flux-dev", "a fox", 512, 512, 7, loras=(Lora(file("b").key, 0.5),))
    job = house.job(ada, request=request)
    keep(file("b", 10**6))
    keep(file("c"))
    house.clock.advance(days=1)
    assert dismissed(house) == ["c"]
    house.do(loras.forget, file("c").sha256, house.now())
    house.do(cancel, job, house.now())
    assert dismissed(house) == ["b"]


def test_what_nobody_names_any_more_goes_within_any_budget(house, ada, keep, register):
    """An upload that was deleted has no place to come from again."""
    house.do(loras.add, file("a", 1), house.now())
    lora = register(file("a", 1), ada)
    house.clock.advance(hours=1)
    assert dismissed(house) == []
    house.do(loras.remove, lora.id)
    assert dismissed(house) == ["a"]


def test_a_removal_that_a_crash_interrupted_is_taken_up(house, keep):
    """The file is named again, once whoever was removing it has had its time, until it is forgotten."""
    keep(file("a", 200))
    house.clock.advance(hours=1)
    assert dismissed(house) == ["a"]
    house.clock.advance(minutes=14)
    assert dismissed(house) == []
    house.clock.advance(minutes=1)
    assert dismissed(house) == ["a"]
    assert dismissed(house) == []


def test_what_is_leaving_makes_room_for_no_more(house, keep):
    """Its bytes are as good as gone: a second removal beside the first takes nothing in its stead."""
    for name in "abc":
        keep(file(name))
        house.clock.advance(minutes=1)
    house.clock.advance(hours=1)
    assert dismissed(house) == ["a"]
    assert dismissed(house) == []
    assert house.see(loras.unregistered_bytes) == 80


def test_two_removals_at_the_same_time_take_one_file(house, keep):
    """The second counts what is taken only once the first has noted what leaves."""
    for name in "ab":
        keep(file(name, 60))
        house.clock.advance(minutes=1)
    house.clock.advance(hours=1)
    with ThreadPoolExecutor(1) as elsewhere:
        with house.transaction() as connection:
            assert loras.dismiss(connection, BUDGET, house.now()) == [file("a").sha256]
            second = elsewhere.submit(dismissed, house)
            sleep(0.3)
            assert not second.done()
        assert second.result(10) == []


def test_only_its_own_removal_is_forgotten(house, keep):
    """Neither a file that stands again nor one that another task has taken over."""
    keep(file("a", 200))
    house.do(loras.forget, file("a").sha256, house.now())
    assert house.see(loras.known) == {file("a").sha256}
    house.clock.advance(hours=1)
    began = house.now()
    assert dismissed(house) == ["a"]
    assert house.see(loras.is_leaving, file("a").sha256, began)
    house.clock.advance(hours=1)
    assert dismissed(house) == ["a"]
    assert not house.see(loras.is_leaving, file("a").sha256, began)
    house.do(loras.forget, file("a").sha256, began)
    assert house.see(loras.known) == {file("a").sha256}
    house.do(loras.forget, file("a").sha256, house.now())
    assert house.see(loras.known) == set()


def test_a_use_between_look_and_removal_wins(house, keep):
    """Who uses a file makes it newer than what the removal saw."""
    keep(file("a", 200))
    house.clock.advance(hours=1)
    assert house.do(loras.use, file("a").sha256, house.now()) == file("a", 200)
    assert dismissed(house) == []


def test_bytes_without_a_row_are_claimed_once(house, keep):
    """A row that came meanwhile is stronger."""
    keep(file("a"))
    assert not house.do(loras.claim, file("a").sha256, house.now())
    assert house.do(loras.claim, file("b").sha256, house.now())
    assert house.see(loras.is_leaving, file("b").sha256)
