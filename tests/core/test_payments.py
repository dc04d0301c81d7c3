"""Payments: whatever is told, in whatever order and however often, each is credited once and only for its order."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluxhouse.core import accounts, ledger, payments
from fluxhouse.core.payments import OrderState, Payment, PaymentRefused

CREDITS, PRICE = 100_000_000, 250


@pytest.fixture
def ada(house):
    return house.do(accounts.create, "ada", house.now())


def ordered(house, account):
    return house.do(payments.order, account.id, CREDITS, PRICE, "USD", house.now())


def paid(order, event="evt_1", payment="pi_1"):
    return Payment(event, payment, order.id, PRICE, "usd")


def credited(house, account):
    return house.see(ledger.balance, account.id).available_micro


def test_a_payment_is_credited_with_its_event(house, ada):
    """The order is paid, and the ledger names the payment."""
    order = ordered(house, ada)
    assert house.do(payments.settle_payment, paid(order), house.now())
    assert credited(house, ada) == CREDITS
    assert [made.state for made in house.see(payments.orders_of, ada.id, 5)] == [OrderState.PAID]
    assert house.see(ledger.entries, ada.id, 1)[0].reference == "payment pi_1"
    assert house.drift() == []


def test_the_same_told_again_changes_nothing(house, ada):
    """By the same event, and by another one about the same payment."""
    order = ordered(house, ada)
    house.do(payments.settle_payment, paid(order), house.now())
    for event in ("evt_1", "evt_2", "evt_2"):
        assert not house.do(payments.settle_payment, paid(order, event), house.now())
    assert credited(house, ada) == CREDITS


def test_what_does_not_fit_its_order_is_refused(house, ada):
    """Another price, currency or order, and a second payment of a paid order; none leaves a trace."""
    order = ordered(house, ada)
    right = paid(order)
    wrong = [replace(right, price_minor=1), replace(right, currency="eur"), replace(right, order_id="0" * 32)]
    for payment in wrong:
        with pytest.raises(PaymentRefused):
            house.do(payments.settle_payment, payment, house.now())
    assert house.do(payments.settle_payment, right, house.now())
    with pytest.raises(PaymentRefused):
        house.do(payments.settle_payment, paid(order, "evt_9", "pi_9"), house.now())
    assert credited(house, ada) == CREDITS


def test_one_payment_told_by_eight_at_once_counts_once(house, ada):
    """Threads stand for processes; the database decides."""
    order = ordered(house, ada)

    def tell(number):
        return house.do(payments.settle_payment, paid(order, f"evt_{number % 3}"), house.now())

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(tell, range(8))) == 1
    assert credited(house, ada) == CREDITS


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 2)), max_size=12))
def test_any_telling_credits_what_was_paid(house, told):
    """Orders, events and payments told in any mixture: each order is credited once, by its first payment."""
    account = house.do(accounts.create, f"payer {house.see(lambda c: len(accounts.everyone(c)))}", house.now())
    orders = [ordered(house, account) for _ in range(3)]
    first = {}
    for which, event, payment in told:
        name = f"{orders[which].id} {payment}"
        expected = first.setdefault(which, name) == name
        payment = paid(orders[which], f"{orders[which].id} {event}", name)
        if expected:
            house.do(payments.settle_payment, payment, house.now())
        else:
            with pytest.raises(PaymentRefused):
                house.do(payments.settle_payment, payment, house.now())
    assert credited(house, account) == CREDITS * len(first)
    assert house.drift() == []
