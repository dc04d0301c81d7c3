"""Predictions by id and as a list; nobody sees another account's."""

from datetime import timedelta

import pytest

DEV, SLOW = "black-forest-labs/flux-dev", "black-forest-labs/flux-schnell"
SMALL = {"prompt": "a red boat", "megapixels": "0.25", "output_format": "jpg"}


def test_a_foreign_prediction_is_not_there(create, live, client):
    """For reading and for cancelling, like one that never was."""
    foreign = {"Authorization": f"Bearer {live.new_key()}"}
    own = create(SLOW).json()["id"]
    for path in (own, "0" * 26, "8" + "0" * 25, "x", own.upper()):
        assert client.get(f"/v1/predictions/{path}", headers=foreign).status_code == 404
        assert client.post(f"/v1/predictions/{path}/cancel", headers=foreign).status_code == 404
    assert client.get(f"/v1/predictions/{own}").status_code == 200
    assert client.post(f"/v1/predictions/{own}/cancel").status_code == 200


def test_a_cancelled_prediction_has_stopped(create, client):
    """The answer says so; cancelled once more it stays as it is."""
    own = create(SLOW).json()["id"]
    for root in ("/v1", ""):
        answer = client.post(f"{root}/predictions/{own}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, "canceled")


async def test_a_list_is_read_page_by_page(idle_house):
    """A hundred a page, newest first; `next` is a whole address, and the last page has none."""
    client = idle_house.client
    client.headers["Authorization"] = f"Bearer {await idle_house.account('rich', 200)}"
    made = []
    for _ in range(103):
        made.append((await client.post(f"/v1/models/{DEV}/predictions", json={"input": SMALL})).json())
    first = (await client.get("/v1/predictions")).json()
    assert [entry["id"] for entry in first["results"]] == [entry["id"] for entry in made[:2:-1]]
    assert first["next"].startswith("http://house.test/v1/predictions?cursor=")
    last = (await client.get(first["next"])).json()
    assert [entry["id"] for entry in last["results"]] == [entry["id"] for entry in made[2::-1]]
    assert (last["next"], first["previous"]) == (None, None)
    since = (await client.get("/v1/predictions", params={"created_after": made[100]["created_at"]})).json()
    assert ([entry["id"] for entry in since["results"]], since["next"]) == ([e["id"] for e in made[:99:-1]], None)
    until = (await client.get("/v1/predictions", params={"created_before": made[2]["created_at"]})).json()
    assert [entry["id"] for entry in until["results"]] == [entry["id"] for entry in made[1::-1]]
    assert (await client.get("/v1/predictions?source=web")).json()["results"] == []


@pytest.mark.parametrize("query", ["created_after=soon", "created_before=1", "source=api", "cursor=x", "limit=3"])
def test_a_query_that_makes_no_sense_is_refused(client, query):
    """By the parameter's name."""
    answer = client.get(f"/v1/predictions?{query}")
    assert (answer.status_code, answer.json()["invalid_fields"][0]["field"]) == (422, query.partition("=")[0])


async def test_expired_predictions_have_lost_their_content(house):
    """Input, logs and output are gone; that it was remains."""
    answer = await house.client.post(f"/v1/models/{DEV}/predictions", json={"input": SMALL}, headers={"Prefer": "wait"})
    house.clock.ahead = timedelta(hours=25)
    body = (await house.client.get(f"/v1/predictions/{answer.json()['id']}")).json()
    assert (body["data_removed"], body["status"]) == (True, "succeeded")
    assert (body["input"], body["output"], body["logs"]) == ({}, None, "")


async def test_a_job_of_another_dialect_is_a_prediction_too(house):
    """One account, one history."""
    job = await house.done()
    (entry,) = (await house.client.get("/v1/predictions")).json()["results"]
    assert (entry["status"], entry["input"]["prompt"], entry["model"]) == (
        "succeeded",
        job["prompt"],
        "black-forest-labs/flux",
    )
