"""What a native request says beside its body."""

import pytest
from starlette.requests import Request

from fluxhouse.dialects.native.reading import bearer, number_in
from fluxhouse.generation.errors import InvalidParameter


def asked(query="", **headers):
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Request({"type": "http", "headers": pairs, "query_string": query.encode()})


@pytest.mark.parametrize(
    ("header", "key"),
    [("Bearer abc", "abc"), ("bearer  abc ", "abc"), ("Basic abc", None), ("", None), ("Bearer", ""), ("abc", None)],
)
def test_a_key_is_read_from_a_bearer_header(header, key):
    """The scheme's case does not matter, another scheme is no key."""
    assert bearer(asked(authorization=header)) == key


@pytest.mark.parametrize("text", ["", "x", "-1", "0", "11", "1.5", "٣", "9" * 30])
def test_a_number_out_of_range_is_refused(text):
    """Only ASCII digits within the limits are a number."""
    request = asked()
    request._query_params = {"limit": text}
    with pytest.raises(InvalidParameter):
        number_in(request, "limit", 1, 1, 10)
