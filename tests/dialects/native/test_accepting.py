"""Which picture `Accept` asks for, if any, and what file type it gets."""

import pytest
from starlette.requests import Request

from fluxhouse.catalog.catalog import Catalog
from fluxhouse.dialects.native.accepting import picture_wanted
from fluxhouse.generation.errors import InvalidParameter

BROWSER = "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"


@pytest.fixture(scope="module")
def catalog():
    return Catalog.load()


def accepted(header):
    return picture_wanted(Request({"type": "http", "headers": [(b"accept", header.encode())]}))


def settled(catalog, header, model="flux", **body):
    body = {"prompt": "a boat", **body}
    return accepted(header).settle(catalog.parse(model, body), body).request((), 0).format


@pytest.mark.parametrize(
    "header",
    ["", "*/*", "application/json, image/png", "image/avif", "image/png;q=0.1, application/json", "image/png;q=0",
     "image/png;q=x", "text/html", "image/png;q=0.5, */*", ",;=", "*/*, image/png;q=0"],
)  # fmt: skip
def test_json_is_answered_where_nothing_asks_for_a_picture_first(header):
    """JSON wins where it is wanted at least as much, or where nothing that we have is named."""
    assert accepted(header) is None


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("image/png", "image/png;q=1"),
        ("application/json;q=0.1, image/png", "image/png;q=1"),
        ("image/avif, image/webp;q=0.9", "image/webp;q=0.9"),
        ("image/png, application/json", "image/png;q=1"),
        ("IMAGE/*", "image/png;q=1 image/jpeg;q=1 image/webp;q=1"),
        ("image/*;q=0.5, image/webp", "image/webp;q=1 image/png;q=0.5 image/jpeg;q=0.5"),
        ("image/*, image/png;q=0", "image/jpeg;q=1 image/webp;q=1"),
    ],
)
def test_pictures_are_ranked_by_weight(header, text):
    """The greater weight first, then the more exact name, then the earlier one."""
    assert accepted(header).text == text


@pytest.mark.parametrize(
    ("header", "body", "format"),
    [
        ("image/webp", {}, "webp"),
        ("image/webp, image/png", {}, "png"),  # as good as webp, and the model's own
        ("image/webp, image/png;q=0.1", {}, "webp"),
        (BROWSER, {"output_format": "png"}, "png"),
        (BROWSER, {"output_format": "jpg"}, "jpg"),
        (BROWSER, {}, "png"),
        ("image/jpeg", {"output_format": None}, "jpg"),
    ],
)
def test_the_bodys_own_format_holds_and_then_the_models(catalog, header, body, format):
    """What the body names stays; without it the model's own is made unless something else is wanted more."""
    assert settled(catalog, header, **body) == format


def test_a_format_that_contradicts_accept_is_refused(catalog):
    """The body asks for one type and the header for another: which is meant nobody can say."""
    with pytest.raises(InvalidParameter, match="image/jpeg") as refused:
        settled(catalog, "image/jpeg", output_format="png")
    assert refused.value.field == "output_format"


def test_a_model_with_one_format_says_which(catalog):
    """Where a model has no choice the refusal names `Accept`, not a parameter that the caller never sent."""
    assert settled(catalog, "image/webp, image/png;q=0.2", "flux-kontext-pro") == "png"
    with pytest.raises(InvalidParameter, match="can answer as image/png, which `Accept` does not take") as refused:
        settled(catalog, "image/jpeg", "flux-kontext-pro")
    assert refused.value.field == "Accept"
