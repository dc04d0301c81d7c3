"""Signed URLs: valid as signed and until they expire, and only under our own address."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxhouse.generation.errors import Gone, NotFound, UnknownFile
from fluxhouse.storage.urls import OwnUrl, UrlSigner

KEY = "outputs/01JOB/0.png"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=24)
SIGNER = UrlSigner(b"secret", "https://images.example.com/")


def own(url: str, signer: UrlSigner = SIGNER) -> OwnUrl:
    found = signer.own_key(url)
    assert found is not None
    return found


def check(url: OwnUrl, now: datetime = NOW, signer: UrlSigner = SIGNER) -> None:
    signer.check(url.key, url.expires, url.signature, now)


def test_the_url_has_the_key_as_its_path() -> None:
    """A signed URL is the public URL, the key, the expiry in Unix seconds and a signature."""
    parts = urlsplit(SIGNER.sign(KEY, LATER))
    assert (parts.scheme, parts.netloc, parts.path) == ("https", "images.example.com", f"/{KEY}")
    query = parse_qs(parts.query)
    assert query["expires"] == [str(int(LATER.timestamp()))]
    assert len(query["signature"][0]) == 43


def test_valid_until_it_expires() -> None:
    """The URL works up to the last moment before its expiry and is gone from then on."""
    url = own(SIGNER.sign(KEY, LATER))
    check(url)
    check(url, LATER - timedelta(milliseconds=1))
    for moment in (LATER, LATER + timedelta(days=1000)):
        with pytest.raises(Gone):
            check(url, moment)


def test_a_changed_url_names_no_file() -> None:
    """Another key, expiry or signature is not found, also where the URL would have expired."""
    url = own(SIGNER.sign(KEY, LATER))
    first = "B" if url.signature[0] == "A" else "A"
    for key, expires, signature in [
        ("outputs/01JOB/1.png", url.expires, url.signature),
        (url.key, str(int(url.expires) + 1), url.signature),
        (url.key, f"0{url.expires}", url.signature),
        (url.key, url.expires, first + url.signature[1:]),
        (url.key, url.expires, f"{url.signature}="),
        (url.key, url.expires, ""),
        (url.key, "", ""),
        (url.key, url.expires, "ä\ud800"),
        ("\ud800", url.expires, url.signature),
    ]:
        with pytest.raises(NotFound):
            SIGNER.check(key, expires, signature, LATER + timedelta(days=1))


def test_key_and_expiry_cannot_be_shifted_into_each_other() -> None:
    """The signature covers where the key ends: no other split of the same text is valid."""
    url = own(SIGNER.sign("files/a1", LATER))
    with pytest.raises(NotFound):
        SIGNER.check("files/a", f"1\n{url.expires}", url.signature, NOW)


def test_another_secret_signs_otherwise() -> None:
    """A URL of another installation is not valid here."""
    other = UrlSigner(b"another", "https://images.example.com")
    with pytest.raises(NotFound):
        check(own(other.sign(KEY, LATER)))


def test_a_malformed_key_is_not_signed() -> None:
    """No URL is made for a key that no store takes."""
    with pytest.raises(UnknownFile):
        SIGNER.sign("../secret", LATER)


@given(st.text(), st.text(), st.text())
def test_no_guess_is_valid(key: str, expires: str, signature: str) -> None:
    """Whatever text stands in the three places, it is refused as not found."""
    with pytest.raises(NotFound):
        SIGNER.check(key, expires, signature, NOW)


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("https://images.example.com/files/a", "files/a"),
        ("HTTPS://IMAGES.example.com:443/files/a#x", "files/a"),
        ("http://images.example.com/files/a", "files/a"),
        ("https://images.example.com./files/a", "files/a"),
        ("https://images.example.com/api/v1/jobs/1?x=1", "api/v1/jobs/1"),
        ("https://images.example.com/%2e%2e/secret", "../secret"),
        (" https://images.example.com/ ", ""),
    ],
)
def test_urls_on_our_own_host_are_recognised(url: str, key: str) -> None:
    """Spellings of our own address are ours, whatever stands under them, and without a signature not valid."""
    found = own(url)
    assert (found.key, found.expires, found.signature) == (key, "", "")
    with pytest.raises(NotFound):
        check(found)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/files/a",
        "https://images.example.com.evil.net/files/a",
        "https://images.example.com:8443/a",
        "https://images.example.com@evil.net/a",
        "https://user:pass@images.example.com/a",
        "ftp://images.example.com/a",
        "data:image/png;base64,AAAA",
        "",
        "//images.example.com/a",
        "https://[broken/a",
        "https://images.example.com:x/",
        "https://images.example.com/" + "a" * 5000,
    ],
)
def test_other_urls_are_not_ours(url: str) -> None:
    """Other hosts, ports and schemes, credentials and broken URLs are not ours."""
    assert SIGNER.own_key(url) is None


def test_a_public_url_with_a_port_and_a_path() -> None:
    """Under a public URL with port and path, only URLs with both are ours."""
    signer = UrlSigner(b"secret", "http://127.0.0.1:8000/flux")
    check(own(signer.sign(KEY, LATER), signer), signer=signer)
    assert signer.own_key("http://127.0.0.1:8000/other/a") is None
    assert signer.own_key("http://127.0.0.1/flux/a") is None
    assert signer.own_key("http://127.0.0.1:8001/flux/a") is None


def test_a_query_with_many_fields_costs_nothing() -> None:
    """A query with more fields than ours is not taken apart."""
    found = own("https://images.example.com/files/a?" + "a=1&" * 900)
    assert (found.expires, found.signature) == ("", "")
