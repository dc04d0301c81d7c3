"""The URLs of buckets: what they say, and what is refused without being repeated."""

import re
from pathlib import Path

import pytest

from fluxhouse.storage.buckets import Bucket


@pytest.mark.parametrize(
    ("url", "bucket"),
    [
        ("s3://pictures", Bucket("pictures", "", None, None)),
        ("s3://pictures/", Bucket("pictures", "", None, None)),
        ("s3://my.pictures-2/a/b_c/", Bucket("my.pictures-2", "a/b_c", None, None)),
        ("s3://pictures?region=eu-central-1", Bucket("pictures", "", None, "eu-central-1")),
        (
            "s3://pictures/house?endpoint=https://account.r2.example.com/&region=auto",
            Bucket("pictures", "house", "https://account.r2.example.com", "auto"),
        ),
        ("s3://pictures?endpoint=http%3A%2F%2F[::1]%3A9000", Bucket("pictures", "", "http://[::1]:9000", None)),
    ],
)
def test_what_a_url_says(url: str, bucket: Bucket) -> None:
    """Bucket and prefix from the path, endpoint and region from the query."""
    assert Bucket.parse(url) == bucket


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "must be s3://"),
        ("pictures", "must be s3://"),
        ("https://pictures.s3.amazonaws.com", "must be s3://"),
        ("s3://pictures#hunter2", "must be s3://"),
        ("s3://pictures?hunter2", "must be s3://"),
        ("s3://[hunter2", "must be s3://"),
        ("s3://", "must name a bucket"),
        ("s3:///prefix", "must name a bucket"),
        ("s3://Hunter2", "must name a bucket"),
        ("s3://pictures:9000", "must name a bucket"),
        ("s3://key:hunter2@pictures", "must not contain credentials"),
        ("s3://pictures?secret_access_key=hunter2", "takes the parameters"),
        ("s3://pictures?region=a&region=b", "takes the parameters"),
        ("s3://pictures/../hunter2", "has a prefix"),
        ("s3://pictures/a//b", "has a prefix"),
        ("s3://pictures/" + "a/" * 251, "has a prefix"),
        ("s3://pictures?endpoint=hunter2", "has an endpoint"),
        ("s3://pictures?endpoint=ftp://example.com", "has an endpoint"),
        ("s3://pictures?endpoint=http://key:hunter2@example.com", "has an endpoint"),
        ("s3://pictures?endpoint=http://example.com:hunter2", "has an endpoint"),
        ("s3://pictures?endpoint=http://example.com%3Fhunter2", "has an endpoint"),
        ("s3://pictures?region=Hunter 2", "has a region"),
    ],
)
def test_what_is_refused(url: str, words: str) -> None:
    """Each part that is not allowed is named with what is, and nothing that could be a secret is repeated."""
    with pytest.raises(ValueError, match=words) as caught:
        Bucket.parse(url)
    assert "unter" not in str(caught.value)


def test_a_place_is_told_from_any_other() -> None:
    """Buckets of one name at two endpoints, and prefixes, are different places."""
    urls = ["s3://abc", "s3://abc/d", "s3://abc?endpoint=http://a", "s3://abc?endpoint=http://b"]
    assert len({str(Bucket.parse(url)) for url in urls}) == 4


def test_the_urls_of_the_guide_are_urls() -> None:
    """Every URL that the guide tells to set is one that is taken."""
    guide = Path(__file__).parents[2] / "docs" / "howto" / "object-storage.md"
    urls = re.findall(r"\| `(s3://[^`]+)` \|", guide.read_text("utf-8"))
    assert len(urls) == 4
    assert {Bucket.parse(url).name for url in urls} == {"pictures"}
