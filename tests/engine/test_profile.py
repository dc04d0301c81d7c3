"""Profiles predict what was measured, and know where a pack pays."""

import pytest

from fluxhouse.engine.profile import Lengths, Measured, Profile, fit, shortest_survey_seconds, survey

TRUTH = Profile(fixed=0.002, per_token=1e-5, per_pair=2e-9)


def measure(lengths: Lengths) -> Measured:
    """A device that takes what TRUTH says of 32 text tokens with each picture, and changes no bit by packing."""
    return Measured(TRUTH.seconds([n + 32 for n in lengths]), tuple(bytes([n % 251]) for n in lengths))


def test_a_survey_finds_what_the_device_takes() -> None:
    """The coefficients come out of the measured forwards, and predict others."""
    found = survey(measure, text_tokens=32, budget_seconds=10.0)
    assert found.seconds([700, 90]) == pytest.approx(TRUTH.seconds([700, 90]), rel=1e-6)
    assert found.proven_tokens == 10240 + 3 * 32


def test_a_survey_keeps_to_its_budget() -> None:
    """Rungs that would take too long are not measured, and prove nothing."""
    spent = 0.0

    def timed(lengths: Lengths) -> Measured:
        nonlocal spent
        spent += measure(lengths).seconds
        return measure(lengths)

    found = survey(timed, text_tokens=32, budget_seconds=0.1)
    assert spent <= 0.1
    assert 0 < found.proven_tokens < 1000


def test_packs_are_proven_only_as_far_as_every_bit_was_the_same() -> None:
    """A device that rounds otherwise above 300 tokens in a pack is trusted below."""

    def rounding(lengths: Lengths) -> Measured:
        one = measure(lengths)
        changed = len(lengths) > 1 and sum(lengths) > 300
        return Measured(one.seconds, tuple(digest + b"'" for digest in one.digests) if changed else one.digests)

    assert survey(rounding, text_tokens=32, budget_seconds=10.0).proven_tokens == 160 + 3 * 32


def test_no_coefficient_is_below_zero() -> None:
    """Noise that would make longer forwards cheaper leaves a constant."""
    found = fit([((10,), 0.2), ((100,), 0.1)])
    assert min(found.fixed, found.per_token, found.per_pair) >= 0.0


def test_the_shortest_survey_is_its_first_rung_twice() -> None:
    """Four packs of at most three segments around sixteen tokens."""
    assert shortest_survey_seconds(Profile(per_token=1.0), text_tokens=0) == 2 * (16 + 8 + 32 + 40)


def test_packing_pays_by_what_is_saved_for_all_who_wait() -> None:
    """Half price pays where three wait, not where two do; without a saving it never pays."""
    half = Profile(fixed=0.45, per_token=0.01)  # 1.0 alone for 55 tokens, 0.55 more in a pack
    assert not half.pays([(55,)], (55,), waiting=2)
    assert half.pays([(55,)], (55,), waiting=3)
    assert not Profile(per_token=0.01).pays([(55,)], (55,), waiting=1000)


def test_tokens_within_a_time() -> None:
    """A second after the fixed part buys a hundred; less than the fixed part buys none."""
    assert Profile(fixed=0.1, per_token=0.01).tokens_within(1.1) == pytest.approx(100, abs=1)
    assert Profile(fixed=2.0, per_token=0.01).tokens_within(1.0) == 0
