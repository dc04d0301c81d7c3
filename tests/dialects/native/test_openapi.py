"""The OpenAPI document: complete, consistent, and usable by an independent reader of it."""

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings

from fluxhouse.catalog.catalog import Catalog
from fluxhouse.catalog.schema import SELDOM_RULED
from fluxhouse.dialects.native.openapi import openapi
from fluxhouse.generation.backend import Serving

CATALOG = Catalog.load()
PUBLIC_URL = "http://127.0.0.1:8000"
DOCUMENT = openapi(CATALOG, PUBLIC_URL, {"flux-dev": Serving("house", 8, 3.5)})
OPERATIONS = [
    (method, path, operation) for path, methods in DOCUMENT["paths"].items() for method, operation in methods.items()
]
ROUTES = {
    ("get", "/api/v1/models"),
    ("get", "/api/v1/models/{model}"),
    ("get", "/api/v1/models/{model}/schema"),
    ("get", "/api/v1/jobs"),
    ("get", "/api/v1/jobs/{jobId}"),
    ("delete", "/api/v1/jobs/{jobId}"),
    ("delete", "/api/v1/jobs/{jobId}/output"),
    ("get", "/api/v1/jobs/{jobId}/events"),
    ("get", "/api/v1/jobs/{jobId}/webhook"),
    ("post", "/api/v1/jobs/{jobId}/webhook/replay"),
    ("get", "/api/v1/webhooks/secret"),
    ("post", "/api/v1/webhooks/secret/rotate"),
    ("post", "/api/v1/files"),
    ("get", "/api/v1/files/{fileId}"),
    ("delete", "/api/v1/files/{fileId}"),
    ("post", "/api/v1/loras"),
    ("get", "/api/v1/loras"),
    ("get", "/api/v1/loras/{loraId}"),
    ("delete", "/api/v1/loras/{loraId}"),
    ("get", "/api/v1/credits"),
    ("get", "/api/v1/usage"),
    ("get", "/healthz"),
    ("get", "/readyz"),
}


def references(node):
    """Every $ref in a document."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def component(name):
    """A validator of one component schema, its references resolved in the document."""
    return jsonschema_rs.Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    )


def test_every_route_is_there_once():
    """Each model that can be asked for has its own run and quote paths beside the fixed routes."""
    own = {
        ("post", f"/api/v1/models/{model.id}/{verb}")
        for model in CATALOG.models
        if model.available
        for verb in ("run", "quote")
    }
    assert {(method, path) for method, path, _ in OPERATIONS} == ROUTES | own


def test_every_reference_resolves():
    """No pointer leads nowhere, and no component stands unused but by other components."""
    for pointer in references(DOCUMENT):
        node = DOCUMENT
        for part in pointer.removeprefix("#/").split("/"):
            node = node[part]
    used = {pointer.rsplit("/", 1)[1] for pointer in references(DOCUMENT)}
    assert set(DOCUMENT["components"]["schemas"]) <= used


def test_operations_are_named_once_and_answer_with_one_error_body():
    """Operation ids are unique; every error is the Error component and carries X-Request-Id."""
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(names)) == len(names)
    for _, _, operation in OPERATIONS:
        for status, answer in operation["responses"].items():
            assert "X-Request-Id" in answer["headers"]
            if status >= "400":
                assert answer["content"]["application/json"]["schema"]["$ref"].endswith("/Error")


def test_a_submit_documents_every_status():
    """The statuses of the contract, each on the operation that can give it."""
    run = DOCUMENT["paths"]["/api/v1/models/flux/run"]["post"]
    expected = {"200", "202", "400", "401", "402", "403", "404", "408", "409", "410", "413"}
    assert set(run["responses"]) == expected | {"415", "422", "429", "503"}
    assert {entry["name"] for entry in run["parameters"]} == {"Idempotency-Key", "Prefer"}
    assert "503" not in run["description"]
    assert "503" in DOCUMENT["paths"]["/api/v1/models/flux-schnell/run"]["post"]["description"]


def test_catalog_and_health_need_no_key():
    """Only what belongs to no account is open."""
    public = {operation["operationId"] for _, _, operation in OPERATIONS if operation.get("security") == []}
    assert public == {"list-models", "get-model", "get-model-schema", "get-health", "get-readiness"}


def test_the_published_bodies_fit():
    """The examples of the original pages, with ids of ours, are valid by the shapes."""
    job_id = "job_" + "0f" * 16
    submitted = {
        "jobId": job_id,
        "status": "pending",
        "statusUrl": f"{PUBLIC_URL}/api/v1/jobs/{job_id}",
        "creditCost": 1,
        "creditsRemaining": 95,
        "expiresAt": "2025-01-23T12:00:00Z",
    }
    component("Submitted").validate(submitted)
    job = {
        "jobId": job_id,
        "status": "completed",
        "model": "flux",
        "createdAt": "2025-01-22T12:00:00Z",
        "output": {"images": [f"{PUBLIC_URL}/outputs/1.png"]},
        "creditCost": 1.5,
        "expiresAt": "2025-01-23T12:00:00Z",
    }
    component("Job").validate(job)
    assert not component("Job").is_valid(job | {"unforeseen": 1})
    component("Error").validate({"error": {"code": "invalid_parameter", "message": "no", "status": 400, "field": "a"}})


@pytest.mark.parametrize("path", ["/api/v1/models/flux/run", "/api/v1/models/flux-kontext-pro/run"])
def test_schemathesis_makes_bodies_that_are_accepted(path):
    """What a generator takes from the document for valid is valid to the catalog, as far as the document says."""
    operation = schemathesis.openapi.from_dict(DOCUMENT)[path]["post"]

    @given(case=operation.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE))
    @settings(max_examples=25, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    def accepts(case):
        if all(case.body.get(name) is None for name in SELDOM_RULED):
            assert CATALOG.parse(path.split("/")[-2], case.body)

    accepts()
