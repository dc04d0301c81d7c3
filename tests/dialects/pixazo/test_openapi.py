"""The dialect's OpenAPI document: valid, and neither wider nor narrower than what the routes do."""

from __future__ import annotations

import random
from typing import Any

import jsonschema_rs
import schemathesis
from hypothesis import HealthCheck, given, settings

from fluxhouse.catalog.catalog import Catalog
from fluxhouse.dialects.pixazo.endpoints import RESULT_PATH, STATUS_PATH
from fluxhouse.dialects.pixazo.openapi import openapi
from fluxhouse.dialects.pixazo.operations import operations
from fluxhouse.generation.errors import EngineCrashed, RequestRejected

OPERATIONS = operations(Catalog.load().model("flux-dev"))
DOCUMENT = openapi(OPERATIONS, RESULT_PATH, STATUS_PATH, "http://127.0.0.1:8000")
VALUES = [
    *(None, True, False, 0, 1, 1.0, 2.5, -1, 4, 5, 20, 21, 50, 51, 0.01, 0.5, 1e300, "", " ", "a fox", "jpeg", "none"),
    *("square", "landscape_4_3", "https://example.com/a.png", "data:image/png;base64,AA==", [], {}, 4294967296),
]


def body_of(operation: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(operation["requestBody"]["content"]["application/json"]["schema"])


def accepts(operation: Any, body: dict[str, Any]) -> bool:
    try:
        operation.parse(body)
    except RequestRejected:
        return False
    return True


def check_answer(method: str, path: str, response: Any) -> None:
    """The response is one that the document describes."""
    described = DOCUMENT["paths"][path][method]["responses"][str(response.status_code)]
    jsonschema_rs.validate(described["content"]["application/json"]["schema"], response.json())


def test_the_document_can_be_read() -> None:
    """An independent reader finds every operation in it."""
    found = {result.ok().label for result in schemathesis.openapi.from_dict(DOCUMENT).get_all_operations()}
    submits = {f"POST {operation.path}" for operation in OPERATIONS}
    assert found == submits | {f"POST {RESULT_PATH}", f"GET {STATUS_PATH}"}


def test_schema_and_validator_agree() -> None:
    """A submit's body is accepted exactly where its schema accepts it."""
    chance = random.Random(7)
    for operation in OPERATIONS:
        schema = body_of(DOCUMENT["paths"][operation.path]["post"])
        names = [parameter.name for parameter in operation.parameters]
        accepted = 0
        for _ in range(4000):
            body: dict[str, Any] = {"prompt": "a fox", "image_url": "https://example.com/a.png"}
            body = {name: value for name, value in body.items() if name in names and chance.random() < 0.9}
            for name in chance.sample([*names, "other"], chance.randrange(4)):
                body[name] = chance.choice(VALUES)
            assert accepts(operation, body) == schema.is_valid(body), body
            accepted += schema.is_valid(body)
        assert 200 < accepted < 3800


async def test_what_the_routes_answer_is_described(gateway: Any) -> None:
    """Every state of a request, in both generations, and the common refusals fit their schemas."""
    submit = OPERATIONS[0].path
    check_answer("post", submit, await gateway.submit())
    check_answer("post", submit, await gateway.submit({}))
    check_answer("post", submit, await gateway.submit(key=""))
    first, second = await gateway.submitted({"prompt": "a", "num_images": 2}), await gateway.submitted()
    check_answer("post", RESULT_PATH, await gateway.poll(first))
    check_answer("get", STATUS_PATH, await gateway.status(first))
    await gateway.make()
    await gateway.make()
    await gateway.fail(EngineCrashed())
    for request_id in (first, second, "nonsense"):
        check_answer("post", RESULT_PATH, await gateway.poll(request_id))
        check_answer("get", STATUS_PATH, await gateway.status(request_id))
    check_answer("get", STATUS_PATH, await gateway.status(first, ""))
    response = await gateway.client.get("/flux-dev/openapi")
    assert response.json()["paths"].keys() == DOCUMENT["paths"].keys()


@given(case=schemathesis.openapi.from_dict(DOCUMENT)[RESULT_PATH]["POST"].as_strategy())
@settings(max_examples=50, suppress_health_check=list(HealthCheck))
def test_what_the_document_generates_is_an_object(case: Any) -> None:
    """Bodies made from the document name an id."""
    assert {"request_id", "requestId"} & set(case.body)
