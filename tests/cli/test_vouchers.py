"""`fluxhouse vouchers`: codes for whom they are handed to, and what became of them."""

import re

import pytest

from fluxhouse.core import accounts, audit, vouchers
from fluxhouse.database.database import Database
from fluxhouse.generation.clock import SystemClock


@pytest.fixture
def kept(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'house' / 'fluxhouse.db'}")
    yield database
    database.close()


def test_codes_are_printed_once_and_their_fate_is_listed(fluxhouse, kept):
    """The output is the codes alone; the list never has them."""
    fluxhouse("accounts", "create", "ada")
    made = fluxhouse("vouchers", "create", "2.5", "--count", "2", "--label", "launch", "--expires", "30d")
    codes = made.out.split()
    assert len(codes) == 2
    assert all(re.fullmatch(r"(?:[2-9A-HJ-NP-Z]{5}-){3}[2-9A-HJ-NP-Z]{5}", code) for code in codes)
    with kept.transaction() as connection:
        ada = accounts.by_name(connection, "ada")
        assert vouchers.redeem(connection, ada, codes[0], SystemClock().now()) == 2_500_000
        assert [entry.action for entry in audit.latest(connection, 1)] == ["vouchers.create"]
    listed = fluxhouse("vouchers", "list").out
    assert (listed.count("launch"), listed.count("redeemed"), listed.count("until")) == (2, 1, 1)
    assert codes[1] not in listed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("0",), "more than zero"),
        (("1000000001",), "at most 1,000,000,000 credits"),
        (("-1",), "No such option"),
        (("many",), "not a number of credits"),
        (("1", "--expires", "soon"), "--expires takes 30d"),
    ],
)
def test_vouchers_that_make_no_sense_are_refused(fluxhouse, arguments, said):
    """None is made."""
    fluxhouse("accounts", "create", "ada")
    refused = fluxhouse("vouchers", "create", *arguments)
    assert refused.code != 0
    assert said in refused.err
