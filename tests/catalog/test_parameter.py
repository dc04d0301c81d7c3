"""One parameter: types as JSON means them, ranges, null, and what is not supported."""

import math
from time import perf_counter

import pytest

from fluxhouse.catalog.parameter import Parameter
from fluxhouse.generation.errors import InvalidParameter, UnsupportedParameter

STEPS = Parameter(name="steps", type="integer", default=4, minimum=1, maximum=8)
SCALE = Parameter(name="scale", type="number", minimum=0, maximum=10)


@pytest.mark.parametrize(("given", "accepted"), [(1, 1), (8, 8), (2.0, 2), (None, 4)])
def test_an_integer_is_what_json_schema_calls_one(given, accepted):
    """2.0 is the integer 2, and null stands for the default."""
    value = STEPS.check(given)
    assert value == accepted
    assert type(value) is int


@pytest.mark.parametrize("given", [0, 9, 2.5, True, "2", [2], {}, math.nan, math.inf, 10**400, 1e300])
def test_what_is_no_integer_in_range_is_refused_by_name(given):
    """Booleans, fractions, text, NaN, infinity and values beyond the range are refused with the field."""
    with pytest.raises(InvalidParameter, match="`steps`") as caught:
        STEPS.check(given)
    assert caught.value.field == "steps"


@pytest.mark.parametrize("given", [math.nan, -math.inf, False, "1", -0.1, 10.5, 10**400])
def test_a_number_is_finite_and_in_range(given):
    """NaN, infinity, booleans and text are no numbers."""
    with pytest.raises(InvalidParameter):
        SCALE.check(given)


def test_a_number_comes_back_as_float():
    """An integer given for a number is that number."""
    assert SCALE.check(3) == 3.0
    assert type(SCALE.check(3)) is float


def test_a_required_parameter_takes_no_null():
    """Null for a required value is a missing value."""
    with pytest.raises(InvalidParameter, match="required"):
        Parameter(name="prompt", type="string", required=True).check(None)


def test_an_unsupported_parameter_takes_its_default_and_refuses_the_rest():
    """The default asks for nothing; any other valid value is refused as unsupported, an invalid one as invalid."""
    flag = Parameter(name="raw", type="boolean", default=False, supported=False)
    assert flag.check(False) is False
    assert flag.check(None) is False
    with pytest.raises(UnsupportedParameter, match="`raw`"):
        flag.check(True)
    with pytest.raises(InvalidParameter):
        flag.check("yes")


def test_an_array_checks_its_items():
    """Each item must have the item type."""
    scales = Parameter(name="scales", type="array", item_type="number")
    assert scales.check([1, 0.5]) == [1, 0.5]
    with pytest.raises(InvalidParameter, match="every item is a number"):
        scales.check([1, True])


def test_limits_of_an_array_hold_for_every_item():
    """Ranges, lengths and patterns item by item, and so many items at most."""
    scales = Parameter(name="scales", type="array", item_type="number", minimum=-1, maximum=3, max_items=2)
    assert scales.check([3, -1]) == [3.0, -1.0]
    for wrong in ([3.5], [0, -1.5], [0, 0, 0], [10**400]):
        with pytest.raises(InvalidParameter, match="`scales`"):
            scales.check(wrong)
    assert scales.range_text() == "at most 2 items, each from -1 to 3"
    names = Parameter(name="names", type="array", item_type="string", pattern="^[a-z]+$", max_length=2)
    assert names.check(["ab", "c"]) == ["ab", "c"]
    for wrong in (["abc"], ["a", "B"]):
        with pytest.raises(InvalidParameter):
            names.check(wrong)


def test_an_item_that_names_a_lora_is_text_or_an_object_of_one_name():
    """A scale goes with it; a null scale is none."""
    loras = Parameter(name="loras", type="array", item_type="lora", pattern="^[a-z]+$", maximum=3)
    assert loras.check(["a", {"id": "b", "scale": 2}, {"url": "c", "scale": None}]) == [
        "a",
        {"id": "b", "scale": 2.0},
        {"url": "c"},
    ]
    for wrong in ({}, {"id": "a", "url": "b"}, {"id": None}, {"id": "A"}, {"id": "a", "scale": 4}, {"id": "a", "x": 1}):
        with pytest.raises(InvalidParameter, match="`loras`"):
            loras.check([wrong])


def test_text_that_utf8_cannot_hold_is_refused():
    """A lone surrogate is no text."""
    with pytest.raises(InvalidParameter, match="surrogates"):
        Parameter(name="prompt", type="string").check("a\ud800")


def test_a_text_of_millions_is_checked_in_no_time():
    """A picture of 20 MB as a data URI holds nobody else up."""
    picture = "A" * 27_000_000
    started = perf_counter()
    assert Parameter(name="input_image", type="string").check(picture) is picture
    assert perf_counter() - started < 0.3


def test_a_pattern_ends_where_the_text_ends():
    """A last line feed does not slip past `$`."""
    name = Parameter(name="name", type="string", pattern="^[a-z]+$", pattern_says="must be letters")
    assert name.check("abc") == "abc"
    with pytest.raises(InvalidParameter, match="must be letters"):
        name.check("abc\n")


def test_enums_say_what_is_allowed():
    """The refusal lists the allowed values."""
    with pytest.raises(InvalidParameter, match="one of png, jpg"):
        Parameter(name="format", type="string", enum=("png", "jpg")).check("gif")
