"""The catalog as the native API shows it."""

import jsonschema_rs
import pytest


async def test_the_catalog_needs_no_key(idle_house):
    """The list has every model with price, counts, and who serves it."""
    answer = await idle_house.get("/api/v1/models")
    listed = answer.json()
    flux = next(model for model in listed["models"] if model["apiId"] == "flux")
    assert listed["total"] == len(listed["models"]) == listed["imageCount"]
    assert flux["creditCost"] == {"default": 1, "type": "fixed", "amount": 1}
    assert (flux["modality"], flux["available"], flux["servedBy"]) == ("image", True, "testcard")
    assert (await idle_house.get("/api/v1/models?modality=video")).json()["models"] == []
    assert (await idle_house.get("/api/v1/models?modality=smell")).status_code == 400


async def test_a_models_schema_says_what_run_accepts(idle_house):
    """The schema is valid, the same in both places, and agrees with the validator."""
    model = (await idle_house.get("/api/v1/models/flux-kontext-pro")).json()
    schema = (await idle_house.get("/api/v1/models/flux-kontext-pro/schema")).json()
    assert schema == {"apiId": "flux-kontext-pro", "schema": model["requestSchema"]}
    assert len(model["aspectRatios"]) == 9
    validator = jsonschema_rs.validator_for(schema["schema"])
    for body in ({"prompt": "x"}, {"prompt": ""}, {"prompt": "x", "aspect_ratio": "1:9"}):
        answer = await idle_house.run(body, model="flux-kontext-pro")
        assert (answer.status_code == 202) == validator.is_valid(body)


@pytest.mark.parametrize("path", ["/api/v1/models/none", "/api/v1/models/none/schema", "/llm/none.txt"])
async def test_an_unknown_model_is_not_found(idle_house, path):
    """API and plain texts answer 404 for a model that no catalog has."""
    answer = await idle_house.get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


async def test_answers_are_what_the_document_says(house):
    """Bodies of a whole life of a job fit the schemas that `/api/openapi` prints."""
    document = (await house.get("/api/openapi")).json()

    def check(name, body):
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        jsonschema_rs.validator_for(schema).validate(body)

    submitted = (await house.run()).json()
    check("Submitted", submitted)
    check("Job", await house.done())
    check("Job", (await house.client.get(f"/api/v1/jobs/{submitted['jobId']}")).json())
    check("JobList", (await house.client.get("/api/v1/jobs")).json())
    check("Credits", await house.credits())
    check("Usage", (await house.client.get("/api/v1/usage")).json())
    check("ModelList", (await house.get("/api/v1/models")).json())
    check("Model", (await house.get("/api/v1/models/flux")).json())
    check("ModelSchema", (await house.get("/api/v1/models/flux/schema")).json())
    check("Quote", (await house.client.post("/api/v1/models/flux/quote", json={"prompt": "x"})).json())
    check("Error", (await house.client.get("/api/v1/jobs/none")).json())
    check("Health", (await house.get("/readyz")).json())
