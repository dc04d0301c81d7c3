"""Uploaded files: pictures alone, their owner's alone, with the name and metadata they came with."""

import json

import pytest


@pytest.fixture
def upload(client, png):
    """Uploads a picture; named parts are added to the form."""

    def uploaded(parts=(), **fields):
        files = {"content": ("red.png", png, "image/png")} | dict(parts)
        return client.post("/v1/files", files=files, data=fields)

    return uploaded


def test_a_file_has_every_field_that_clients_read(upload, client):
    """201, and the same again by its id."""
    answer = upload(filename="other.png", type="image/png", metadata=json.dumps({"a": [1]}))
    body = answer.json()
    assert (answer.status_code, body["name"], body["metadata"]) == (201, "other.png", {"a": [1]})
    assert (body["content_type"], body["checksums"]["sha256"]) == ("image/png", body["etag"])
    assert body["created_at"] < body["expires_at"]
    assert client.get(f"/v1/files/{body['id']}").json() == body


def test_metadata_comes_in_three_ways(upload):
    """As text, as a file of its own, and entry by entry, as the three clients send it."""
    as_file = {"metadata": ("blob", b'{"a": 1}', "application/json")}
    assert upload(as_file).json()["metadata"] == {"a": 1}
    assert upload(**{"metadata[a]": "1", "metadata[b]": "2"}).json()["metadata"] == {"a": "1", "b": "2"}
    assert upload().json()["metadata"] == {}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"metadata": "[1]"}, "metadata"),
        ({"metadata": "{"}, "metadata"),
        ({"metadata": json.dumps({"a": "x" * 20_000})}, "metadata"),
        ({"filename": "x" * 201}, "filename"),
        ({"other": "x"}, "other"),
    ],
)
def test_a_form_that_is_not_allowed_is_refused_by_its_part(upload, fields, named):
    """With what is allowed."""
    answer = upload(**fields)
    assert (answer.status_code, answer.json()["invalid_fields"][0]["field"]) == (422, named)


def test_what_is_no_picture_is_refused(client):
    """By the part's name; so is a form without it, and what is no form."""
    for files in ({"content": ("a.zip", b"PK", "application/zip")}, {"other": ("a", b"b")}):
        assert client.post("/v1/files", files=files).status_code == 422
    assert client.post("/v1/files", json={}).status_code == 415
    assert client.post("/v1/files", content=b"x", headers={"Content-Type": "multipart/form-data"}).status_code == 400
    assert client.post("/v1/files", files={"content": ("a", b"x" * 21_000_000)}).status_code == 413


def test_a_foreign_file_is_not_there(upload, live, client):
    """For reading, deleting, downloading and as an input."""
    foreign = {"Authorization": f"Bearer {live.new_key()}"}
    file = upload().json()
    path = f"/v1/files/{file['id']}"
    assert client.get(path, headers=foreign).status_code == 404
    assert client.delete(path, headers=foreign).status_code == 404
    assert client.get("/v1/files", headers=foreign).json()["results"] == []
    sent = {"input": {"prompt": "a", "image": file["urls"]["get"]}}
    used = client.post("/v1/models/black-forest-labs/flux-dev/predictions", json=sent, headers=foreign)
    assert (used.status_code, used.json()["invalid_fields"][0]["field"]) == (422, "input.image")
    for query in ("", "?owner=x&expiry=9999999999&signature=x", "?owner=x&expiry=1&signature=x"):
        assert client.get(f"{path}/download{query}").status_code == 404
    assert client.delete(path).status_code == 204
