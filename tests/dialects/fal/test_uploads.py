"""Uploads on the wire: put to an address, or sent in one call; read and named by another."""

from __future__ import annotations

import httpx2
import pytest

INITIATE = "/fal/rest/storage/upload/initiate"
SENT = {"content_type": "image/jpeg", "file_name": "red.png"}


@pytest.fixture(scope="module")
def places(caller):
    """Where a picture is put, and where it will be."""
    answer = caller.http.post(INITIATE, params={"storage_type": "gcs"}, json=SENT)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_picture_is_put_read_and_named(caller, places, png):
    """Without a key, by who has the addresses; a second try changes nothing."""
    assert httpx2.get(places["file_url"]).status_code == 404
    assert [httpx2.put(places["upload_url"], content=png).status_code for _ in range(2)] == [200, 200]
    read = httpx2.get(places["file_url"])
    assert (read.headers["content-type"], read.headers["x-content-type-options"]) == ("image/png", "nosniff")
    made = caller.run("fal-ai/flux-pro/kontext", {"prompt": "blue", "image_url": places["file_url"]})
    assert made.json()["images"][0]["width"] == 1184


def test_an_address_of_ones_own_making_opens_nothing(places, png):
    """Nor does one for reading open the place to put."""
    for name in ("upload_url", "file_url"):
        forged = places[name].replace("signature=", "signature=x")
        assert httpx2.request("PUT" if name == "upload_url" else "GET", forged, content=png).status_code == 404


def test_what_is_no_picture_is_refused(caller, png):
    """By its type, by its bytes, and by its size; the address stays for another try."""
    text = caller.http.post(INITIATE, json={"content_type": "text/plain"})
    assert (text.status_code, text.json()["detail"][0]["loc"]) == (422, ["body", "content_type"])
    assert caller.http.post(INITIATE, json=SENT | {"size": 1}).json()["detail"][0]["loc"] == ["body", "size"]
    url = caller.http.post(INITIATE, json=SENT).json()["upload_url"]
    damaged = httpx2.put(url, content=png[:50])
    assert (damaged.status_code, damaged.json()["detail"][0]["type"]) == (422, "image_load_error")
    assert httpx2.put(url, content=bytes(20_000_001)).status_code == 413
    assert httpx2.put(url, content=png).status_code == 200


def test_uploads_in_parts_are_refused_at_once(caller):
    """With the most that a picture may have."""
    for path in (f"{INITIATE}-multipart", "/fal/cdn/files/upload/multipart"):
        (detail,) = caller.http.post(path, json=SENT).json()["detail"]
        assert (detail["type"], detail["ctx"]) == ("file_too_large", {"max_size": 20_000_000})


def test_one_call_will_do(caller, png):
    """With the token that Python's client asks for first."""
    token = caller.http.post("/fal/rest/storage/auth/token", params={"storage_type": "fal-cdn-v3"}, json={}).json()
    headers = {"Authorization": f"{token['token_type']} {token['token']}", "Content-Type": "image/png"}
    headers["X-Fal-File-Name"] = "red.png"
    kept = httpx2.post(f"{token['base_url']}/files/upload", content=png, headers=headers)
    assert httpx2.get(kept.json()["access_url"]).status_code == 200
    limited = httpx2.post(
        f"{token['base_url']}/files/upload", content=png, headers=headers | {"X-Fal-Object-Lifecycle": "{}"}
    )
    assert (limited.status_code, limited.json()["detail"][0]["loc"]) == (422, ["header", "x-fal-object-lifecycle"])


def test_nobody_uploads_without_a_key(live):
    """Nor asks for a token."""
    for path in (INITIATE, "/fal/rest/storage/auth/token", "/fal/cdn/files/upload", f"{INITIATE}-multipart"):
        assert httpx2.post(f"{live.url}{path}", json=SENT).status_code == 401
