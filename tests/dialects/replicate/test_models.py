"""Models and versions as clients list them; each schema says what its model takes."""

import jsonschema_rs
import pytest

from fluxhouse.catalog.catalog import Catalog
from fluxhouse.dialects.replicate.hosted import HostedModels
from fluxhouse.dialects.replicate.models import openapi

CATALOG = Catalog.load()
HOSTED = HostedModels(CATALOG)
PICTURE = "https://pictures.example.com/a.png"


@pytest.mark.parametrize("hosted", HOSTED.all, ids=lambda hosted: hosted.name)
def test_a_schema_is_one_and_agrees_with_the_reading(hosted):
    """It is valid; what it gives as defaults is accepted, in the order of the fields; the output has its shape."""
    schemas = openapi(hosted)["components"]["schemas"]
    jsonschema_rs.meta.validate(schemas["Input"])
    properties = schemas["Input"]["properties"]
    assert [properties[name]["x-order"] for name in properties] == list(range(len(properties)))
    sent = {name: field["default"] for name, field in properties.items() if "default" in field}
    sent |= {name: PICTURE if field.get("format") == "uri" else "a fox" for name, field in properties.items()
             if name in schemas["Input"]["required"]}  # fmt: skip
    assert hosted.read(sent, CATALOG, lambda value: value).parsed.count == 1
    assert schemas["Output"]["type"] == ("string" if hosted.hosting.single else "array")
    assert "x-cog-array-type" not in schemas["Output"]


def test_a_model_is_told_with_and_without_the_root(client):
    """Clients of the newer kind leave `/v1` out."""
    models = [client.get(f"{root}/models/black-forest-labs/flux-dev").json() for root in ("/v1", "")]
    assert models[0] == models[1]
    told = models[0]
    assert (told["owner"], told["name"], told["visibility"]) == ("black-forest-labs", "flux-dev", "public")
    version = told["latest_version"]
    assert client.get(f"/v1/models/black-forest-labs/flux-dev/versions/{version['id']}").json() == version
    assert client.get("/v1/models/fluxhouse/flux-dev/versions").json()["results"] == [version]
    assert client.get("/models/fluxhouse/flux-dev/examples").json()["results"] == []


def test_the_list_serves_two_dialects(client):
    """One body with OpenAI's fields and Replicate's."""
    body = client.get("/v1/models").json()
    assert (body["object"], body["next"], body["previous"]) == ("list", None, None)
    assert len(body["results"]) == 13
    assert body["data"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/models/black-forest-labs/flux-9", 404),
        ("/v1/models/a/b", 404),
        ("/models/a/b", 404),
        (f"/v1/models/black-forest-labs/flux-dev/versions/{'0' * 64}", 404),
        ("/v1/models/black-forest-labs/flux-dev/nothing", 404),
        ("/v1/collections", 404),
        ("/v1/models/black-forest-labs/flux-dev?x=1", 422),
    ],
)
def test_what_is_not_there_is_said_in_the_vendors_words(client, path, status):
    """Title, detail and status, as a problem document."""
    answer = client.get(path)
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"title", "detail"} <= answer.json().keys()


@pytest.mark.parametrize(("words", "count"), [("kontext", 3), ('"FLUX kontext MAX"', 1), ("nothing", 0), ("", 13)])
def test_a_search_finds_every_word(client, words, count):
    """In names, descriptions and tags, whether the words come in quotation marks or not."""
    assert len(client.request("QUERY", "/v1/models", content=words).json()["results"]) == count
