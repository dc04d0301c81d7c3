"""The list of models that two dialects answer together."""

from __future__ import annotations

import json

from fluxhouse.dialects.listing import together
from fluxhouse.dialects.openai import failure as in_openais_words
from fluxhouse.generation.errors import InvalidKey


async def test_one_body_is_read_by_clients_of_both(house):
    """OpenAI's `object` and `data`, Replicate's `results`, `next` and `previous`."""
    answer = await house.client.get("/v1/models")
    assert answer.status_code == 200
    assert set(answer.json()) == {"object", "data", "results", "next", "previous"}


async def test_either_clients_key_opens_it(house):
    """Replicate's older clients name another scheme."""
    for scheme, status in (("Bearer", 200), ("Token", 200), ("Key", 401)):
        answer = await house.client.get("/v1/models", headers={"Authorization": f"{scheme} {house.key}"})
        assert answer.status_code == status


async def test_a_refusal_is_told_in_both_accents(house):
    """Each client finds the field that it looks for."""
    for answer in (await house.get("/v1/models"), await house.client.post("/v1/models")):
        assert isinstance(answer.json()["error"]["message"], str)
        assert isinstance(answer.json()["detail"], str)


def test_errors_in_several_accents_have_the_status_of_the_first():
    """And the fields of all."""
    answer = together([in_openais_words, in_openais_words])(InvalidKey())
    assert (answer.status_code, list(json.loads(answer.body))) == (401, ["error"])
