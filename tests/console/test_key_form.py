"""The form of a key's limits: what is meant, and which field each refusal names."""

from datetime import UTC, datetime

import pytest
from starlette.datastructures import FormData

from fluxhouse.console.key_form import KeyForm
from fluxhouse.core.keys import Limits
from fluxhouse.generation.errors import InvalidParameter

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RIGHT = {"label": "shop", "scopes": "run", "expires": "never", "cap": "", "rate": "600"}


def limits(**changed):
    return KeyForm.typed(FormData(RIGHT | changed)).limits(["flux", "flux-dev"], NOW)


def test_every_field_means_what_it_says():
    """A chosen last day is included; no model chosen means all."""
    assert limits() == Limits(frozenset({"run"}))
    day = limits(expires="date", day="2026-03-01", cap="2.5", rate="7", models="flux")
    assert day == Limits(frozenset({"run"}), frozenset({"flux"}), datetime(2026, 3, 2, tzinfo=UTC), 2_500_000, 7)
    assert limits(expires="30").expires_at == datetime(2026, 3, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("label", {"label": "  "}),
        ("label", {"label": "x" * 101}),
        ("scopes", {"scopes": "admin"}),
        ("models", {"models": "flux-9"}),
        ("expires", {"expires": "soon"}),
        ("day", {"expires": "date", "day": "tomorrow"}),
        ("day", {"expires": "date", "day": "2026-02-28"}),
        ("day", {"expires": "date", "day": "9999-12-31"}),
        ("cap", {"cap": "-1"}),
        ("cap", {"cap": "nan"}),
        ("cap", {"cap": "0.0000001"}),
        ("cap", {"cap": "1e30"}),
        ("rate", {"rate": "0"}),
        ("rate", {"rate": "²"}),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_field(field, changed):
    """So that the page can lead there."""
    with pytest.raises(InvalidParameter) as refused:
        limits(**changed)
    assert refused.value.field == field
