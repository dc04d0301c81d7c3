"""Code samples, run as they are shown in every language that this machine has, against a real server."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from fluxhouse.catalog.catalog import Catalog
from fluxhouse.cli.bench.subject import Subject
from fluxhouse.console.samples import KEY_VARIABLE, Asked, samples

PROMPT = 'it\'s a "fox" \\ $HOME `id` %s\nthe second line \U0001f98a </script>'
BODY = {"prompt": PROMPT, "aspect_ratio": "3:2", "seed": 7}
NAMES = {
    "openai": "flux-schnell",
    "replicate": "black-forest-labs/flux-schnell",
    "fal": "fal-ai/flux/schnell",
}
RUNNERS = {
    "curl": ["sh"],
    "python": [sys.executable],
    "sdk": [sys.executable],
    "javascript": ["node"],
    "php": ["php"],
    "java": ["java", "-XX:TieredStopAtLevel=1"],
    "openai": [sys.executable],
    "replicate": [sys.executable],
    "fal": [sys.executable],
}
LOOSE = ("replicate", "fal")
MODEL = Catalog.load().model("flux-schnell")


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A server that paints test cards: its address, its key, and the picture that it makes of the request."""
    folder = tmp_path_factory.mktemp("house")
    subject = Subject(folder, (), {"FLUXHOUSE_MODELS": "*=testcard", "FLUXHOUSE_LOG_FORMAT": "json"})
    subject.start()
    try:
        subject.wait_until("/readyz")
        yield subject.url, (folder / "demo-key").read_text().strip()
    finally:
        subject.kill()


def shown(url, body=BODY):
    """Every sample by its id."""
    return {sample.id: sample for sample in samples(Asked(MODEL, body, url, NAMES))}


@pytest.fixture(scope="module")
def expected(house, tmp_path_factory):
    """The picture as our SDK's sample gets it."""
    return ran(house, "sdk", tmp_path_factory.mktemp("sdk"))


def ran(house, name, folder):
    """Run a sample; the picture that it saved."""
    if name == "curl" and shutil.which("curl") is None:
        pytest.skip("needs curl")
    url, key = house
    sample, runner = shown(url)[name], RUNNERS[name]
    (folder / sample.file).write_text(sample.code, encoding="utf-8")
    done = subprocess.run(
        [*runner, sample.file], cwd=folder, env=os.environ | {KEY_VARIABLE: key}, capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    (picture,) = folder.glob("picture*.png")
    return picture.read_bytes()


@pytest.mark.parametrize("name", [name for name in RUNNERS if name not in ("sdk", *LOOSE)])
def test_a_sample_makes_the_picture_whatever_the_prompt_holds(house, expected, tmp_path, name):
    """Quotes, a backslash, a line feed and an emoji arrive, seen from the bytes: the same in every language."""
    if shutil.which(RUNNERS[name][0]) is None:
        pytest.skip(f"needs {RUNNERS[name][0]}")
    assert ran(house, name, tmp_path) == expected
    assert expected.startswith(b"\x89PNG")


@pytest.mark.parametrize("name", LOOSE)
def test_a_sample_in_a_vendors_words_makes_a_picture(house, tmp_path, name):
    """Not the same bytes: the vendor's own defaults hold there."""
    assert ran(house, name, tmp_path).startswith(b"\x89PNG")


def test_a_request_is_shown_only_in_words_that_can_say_it():
    """Vendors' SDKs are left out where they have no word for a parameter or a picture."""
    every = [sample.id for sample in samples(Asked(MODEL, BODY, "http://x", NAMES))]
    assert every == list(RUNNERS)
    lora = shown("http://x", BODY | {"guidance_scale": 2})
    assert ("replicate" in lora, "fal" in lora, "openai" in lora) == (False, False, True)
    assert '"guidance_scale": 2' in lora["openai"].code
    picture = shown("http://x", {"prompt": "a", "input_image": "file_1"})
    assert ("replicate" in picture, "fal" in picture, "openai" in picture) == (True, False, False)
    assert '"image": "file_1"' in picture["replicate"].code
    assert [sample.id for sample in samples(Asked(MODEL, BODY, "http://x", {}))] == list(RUNNERS)[:6]


def test_several_pictures_are_asked_for_as_a_job():
    """One picture comes as bytes, several as their addresses, each file of the type that was asked for."""
    found = shown("http://x", {"prompt": "a", "num_outputs": 2, "output_format": "jpg", "output_quality": 70})
    assert "Accept" not in found["curl"].code
    assert "picture-{number}.jpg" in found["sdk"].code
    assert 'n=2,\n    output_compression=70,\n    output_format="jpeg"' in found["openai"].code
    assert json.loads(found["curl"].code.partition("-d '")[2].rpartition("'")[0])["num_outputs"] == 2
