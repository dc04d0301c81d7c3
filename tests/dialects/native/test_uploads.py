"""Uploaded files as a client of the native API sees them."""

import io
from datetime import timedelta

import pytest
from PIL import Image

from fluxhouse.core import files

RAW = {"Content-Type": "image/png"}


async def upload(house, picture, **headers):
    return (await house.client.post("/api/v1/files", content=picture, headers=RAW | headers)).json()


async def test_a_picture_is_kept_and_described(idle_house, picture):
    """Form and raw body alike answer the file's facts, which GET repeats."""
    raw = await upload(idle_house, picture)
    form = await idle_house.client.post("/api/v1/files", files={"file": ("boat.jpg", picture, "image/jpeg")})
    for file in (raw, form.json()):
        assert file["fileId"].startswith("file_")
        assert (file["contentType"], file["width"], file["height"]) == ("image/png", 48, 32)
        assert file["sizeBytes"] > 0
        assert (await idle_house.client.get(f"/api/v1/files/{file['fileId']}")).json() == file


async def test_a_kept_picture_is_clean(idle_house):
    """What a caller's file carries beside its pixels is not kept."""
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "where I live"
    Image.new("RGB", (8, 8)).save(file, "JPEG", exif=exif)
    kept = await upload(idle_house, file.getvalue())
    storage = idle_house.platform.door.storage
    assert b"where I live" not in await storage.get(f"files/{kept['fileId'].removeprefix('file_')}.png")


async def test_a_deleted_file_is_gone(idle_house, picture):
    """DELETE forgets row and bytes."""
    file = await upload(idle_house, picture)
    answer = await idle_house.client.delete(f"/api/v1/files/{file['fileId']}")
    assert (answer.status_code, answer.json()) == (200, {"fileId": file["fileId"], "deleted": True})
    answer = await idle_house.client.get(f"/api/v1/files/{file['fileId']}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "file_not_found")
    assert [key async for key in idle_house.platform.door.storage.keys("files/")] == []


async def test_a_file_expires(idle_house, picture):
    """After its time a file answers 410 and is no input any more."""
    file = await upload(idle_house, picture)
    idle_house.clock.ahead = timedelta(hours=25)
    assert (await idle_house.client.get(f"/api/v1/files/{file['fileId']}")).status_code == 410
    answer = await idle_house.run({"prompt": "x", "input_image": file["fileId"]})
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "input_image")


async def test_a_foreign_file_is_unknown(idle_house, picture):
    """Another account's file answers 404 to GET and DELETE."""
    file = await upload(idle_house, picture)
    headers = {"Authorization": f"Bearer {await idle_house.account('other')}"}
    for method in ("GET", "DELETE"):
        answer = await idle_house.client.request(method, f"/api/v1/files/{file['fileId']}", headers=headers)
        assert answer.status_code == 404
    assert (await idle_house.client.get(f"/api/v1/files/{file['fileId']}")).status_code == 200


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"no picture", "image/png", 400),
        (b"", "image/png", 400),
        (b"{}", "application/json", 415),
        (b"x", "", 415),
        (b"x", "multipart/form-data", 400),
        (b"--b\r\nnonsense", "multipart/form-data; boundary=b", 400),
        (b"--b--\r\n", "multipart/form-data; boundary=b", 400),
        (b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\ntext\r\n--b--\r\n',
         "multipart/form-data; boundary=b", 400),
        (b" " * (20_000_000 + 1), "image/png", 413),
        (b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n' + b" " * 21_000_000,
         "multipart/form-data; boundary=b", 413),
    ],
)  # fmt: skip
async def test_what_is_no_picture_is_refused(idle_house, content, kind, status):
    """Damaged forms, wrong types and too many bytes each answer their own status."""
    answer = await idle_house.client.post("/api/v1/files", content=content, headers={"Content-Type": kind})
    assert answer.json()["error"]["status"] == answer.status_code == status
    assert [key async for key in idle_house.platform.door.storage.keys("files/")] == []


async def test_an_account_without_room_uploads_nothing(idle_house, picture, monkeypatch, tmp_path):
    """Before the picture is read where there is no room at all, else after: nothing of it stays in the store."""
    kept = await upload(idle_house, picture)
    monkeypatch.setattr(files, "QUOTA_BYTES", kept["sizeBytes"] + 1)
    for _ in range(2):
        answer = await idle_house.client.post("/api/v1/files", content=picture, headers=RAW)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "storage_quota_exceeded")
        monkeypatch.setattr(files, "QUOTA_BYTES", kept["sizeBytes"])
    assert [path.stem for path in tmp_path.rglob("files/**/*.png")] == [kept["fileId"].removeprefix("file_")]
    await idle_house.client.delete(f"/api/v1/files/{kept['fileId']}")
    assert "fileId" in await upload(idle_house, picture)
