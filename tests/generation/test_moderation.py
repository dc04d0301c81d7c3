"""Thresholds are the documented ones, and whoever moderates is said in words."""

from pathlib import Path

import pytest

from fluxhouse.generation.moderation import USUAL_TOLERANCE, Moderation, threshold


def test_more_tolerance_lets_more_pass() -> None:
    """The threshold rises with every step from 0 to 6, and is the classifier's own verdict where nothing is said."""
    thresholds = [threshold(tolerance) for tolerance in range(7)]
    assert thresholds == sorted(set(thresholds))
    assert all(0 < score < 1 for score in thresholds)
    assert threshold(USUAL_TOLERANCE) == 0.5


def test_the_table_in_the_documentation_is_that_of_the_code() -> None:
    """Row by row."""
    page = (Path(__file__).parents[2] / "docs" / "howto" / "moderation.md").read_text()
    for tolerance in range(7):
        assert f"| {tolerance} | {threshold(tolerance):g} |" in page


@pytest.mark.parametrize("tolerance", [-1, 7])
def test_other_tolerances_there_are_none(tolerance: int) -> None:
    """Dialects check what they are sent; what comes this far is a fault of ours."""
    with pytest.raises(ValueError, match="from 0 to 6"):
        threshold(tolerance)


def test_a_tag_of_the_catalog_gives_way_to_what_holds_here() -> None:
    """It says that moderation is disabled where it is, and never where somebody looks."""
    listed = ["Editing", "Content moderation disabled"]
    for moderation in (Moderation.NONE, Moderation.BUILTIN):
        assert (moderation.tags(listed), moderation.tags(["LoRA"])) == (listed, ["LoRA"])
    for moderation in (Moderation.CHECKER, Moderation.PROVIDER):
        assert moderation.tags(listed) == ["Editing"]
    assert Moderation.DISABLED.tags(["LoRA"]) == ["LoRA", "Content moderation disabled"]


def test_everybody_who_moderates_is_said_in_words() -> None:
    """One sentence each, no two alike."""
    assert len({one.sentence for one in Moderation}) == len(Moderation)
