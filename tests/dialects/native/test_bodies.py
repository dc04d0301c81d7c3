"""The error body with words that callers chose."""

import json

import pytest

from fluxhouse.dialects.native.bodies import failure, job_id_of
from fluxhouse.generation.errors import InsufficientCredits, InvalidParameter, PlatformError, RateLimited, UnknownJob


@pytest.mark.parametrize("name", ["\ud800", "x" * 1_000_000, "a\nb"])
async def test_an_unknown_field_of_any_name_is_refused_by_name(idle_house, name):
    """Half a character, a megabyte and a line break are fit to be named in an answer."""
    content = json.dumps({"prompt": "x", name: 1})
    answer = await idle_house.client.post("/api/v1/models/flux/run", content=content)
    assert answer.status_code == 400
    assert len(answer.content) < 5000


def test_an_error_says_what_it_knows():
    """Code, message and status always; field, amounts and waiting time where there are any."""
    answer = failure(InsufficientCredits(required_micro=2_500_000, available_micro=1_000_000))
    assert json.loads(answer.body)["error"] == {
        "code": "insufficient_credits",
        "message": "Not enough credits for this request.",
        "status": 402,
        "creditsRequired": 2.5,
        "creditsAvailable": 1,
    }
    assert json.loads(failure(InvalidParameter("no", field="seed")).body)["error"]["field"] == "seed"
    assert failure(RateLimited(retry_after_seconds=7)).headers["retry-after"] == "7"
    assert failure(PlatformError()).status_code == 500


@pytest.mark.parametrize("text", ["", "job", "0f", "JOB_0f", "job_" + "0" * 200])
def test_only_our_own_spelling_is_an_id(text):
    """Ids of other accents, and overlong ones, are unknown before the database is asked."""
    with pytest.raises(UnknownJob):
        job_id_of(text)
