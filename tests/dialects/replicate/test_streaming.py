"""The stream of a prediction: opened by its address alone, resumed by the last id, ended by done."""

import httpx2
import pytest

SLOW, FAILING = "black-forest-labs/flux-schnell", "black-forest-labs/flux-krea-dev"


def events(url, **headers):
    """Id, name and content of each event."""
    answer = httpx2.get(url, headers=headers, timeout=30)
    assert answer.headers["content-type"].partition(";")[0] == "text/event-stream"
    found = []
    for block in answer.text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            found.append((fields["id"], fields["event"], fields["data"]))
    return found


def test_outputs_come_and_then_done(create):
    """Each with an id; who comes back with one gets what came after it."""
    body = create(SLOW, num_outputs=2, num_inference_steps=1).json()
    seen = events(body["urls"]["stream"])
    assert [name for _, name, _ in seen] == ["output", "output", "done"]
    assert seen[-1][2] == "{}"
    assert events(body["urls"]["stream"], **{"Last-Event-ID": seen[1][0]}) == seen[2:]


def test_a_cancelled_prediction_says_why_it_is_done(create, client):
    """Without an output."""
    body = create(SLOW).json()
    client.post(body["urls"]["cancel"])
    assert [event[1:] for event in events(body["urls"]["stream"])] == [("done", '{"reason":"canceled"}')]


def test_a_failed_prediction_says_what_went_wrong(create):
    """As an error before the end."""
    told = [event[1:] for event in events(create(FAILING).json()["urls"]["stream"])]
    assert told == [("error", '{"detail":"The brush broke."}'), ("done", '{"reason":"error"}')]


@pytest.mark.parametrize(
    "change", [("signature=", "signature=x"), ("expires=", "expires=9"), ("/stream?", "/stream?a=1&")]
)
def test_no_other_address_opens_it(create, change):
    """Neither with another signature nor with a later end."""
    url = create(FAILING).json()["urls"]["stream"]
    assert httpx2.get(url.replace(*change)).status_code in (404, 422)
