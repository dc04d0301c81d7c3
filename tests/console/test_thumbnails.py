"""Thumbnails: small, of any picture, made once, and gone with the pictures."""

import io

import pytest
from PIL import Image

from fluxhouse.console.thumbnails import Thumbnails, shrunk
from fluxhouse.core import jobs
from fluxhouse.core.topup import topup
from fluxhouse.generation.errors import Gone


def encoded(mode, size, kind):
    written = io.BytesIO()
    Image.new(mode, size).save(written, kind)
    return written.getvalue()


@pytest.mark.parametrize(
    ("mode", "size", "kind", "small"),
    [
        ("RGB", (1216, 832), "PNG", (320, 219)),
        ("RGBA", (64, 32), "PNG", (64, 32)),
        ("L", (320, 3200), "JPEG", (32, 320)),
        ("P", (640, 640), "PNG", (320, 320)),
    ],
)
def test_a_thumbnail_fits_in_its_square(mode, size, kind, small):
    """And is never larger than the picture."""
    with Image.open(io.BytesIO(shrunk(encoded(mode, size, kind)))) as made:
        assert (made.format, made.size) == ("WEBP", small)


async def test_it_is_made_once_and_goes_with_the_pictures(place, browser):
    """Where the job's pictures were removed meanwhile, nothing is left behind."""
    await place.write(topup, "ada", 5_000_000, place.clock.now())
    await browser.sign_in()
    headers = {"x-form-token": await browser.form_token(), "prefer": "wait=20"}
    body = {"prompt": "a red circle", "width": 256, "height": 256}
    answer = await browser.post("/console/api/v1/models/flux-dev/run", json=body, headers=headers)
    job = await place.read(jobs.get, answer.json()["jobId"].removeprefix("job_"))
    thumbnails, storage = Thumbnails(place.door), place.door.storage
    first = await thumbnails.of(job, job.images[0])
    assert await storage.get(f"outputs/{job.id}/thumbnail-0.webp") == first
    assert await thumbnails.of(job, job.images[0]) == first
    await storage.delete(f"outputs/{job.id}/thumbnail-0.webp")
    await place.write(jobs.output_removed, job.id, place.clock.now())
    with pytest.raises(Gone):
        await thumbnails.of(job, job.images[0])
    assert [key async for key in storage.keys(f"outputs/{job.id}/thumbnail")] == []
