"""Which store a URL opens, with and without the extra that buckets need."""

import subprocess
import sys
from pathlib import Path

import pytest

from fluxhouse.storage.local import LocalStorage
from fluxhouse.storage.opening import open_storage
from fluxhouse.storage.s3 import S3Storage

WITHOUT_OBSTORE = """
import sys
from pathlib import Path
sys.modules["obstore"] = None
from fluxhouse.storage.opening import ExtraMissing, open_storage
open_storage(None, Path("files"))
try:
    open_storage("s3://pictures", Path("files"))
except ExtraMissing as error:
    print(error)
"""


@pytest.mark.parametrize("url", [None, "file://{folder}/a%20b", "{folder}/a b"])
async def test_a_folder_is_opened(tmp_path: Path, url: str | None) -> None:
    """No URL is the folder itself, a path or a file URL another one."""
    await open_storage(url and url.format(folder=tmp_path), tmp_path / "own").put("files/a", b"x")
    assert (tmp_path / ("own" if url is None else "a b") / "files" / "a").read_bytes() == b"x"


async def test_a_bucket_is_opened(s3_endpoint: str, new_bucket, tmp_path: Path) -> None:
    """An s3:// URL is a bucket, whose copies lie in the folder without becoming files of a store there."""
    storage = open_storage(f"s3://{new_bucket()}?endpoint={s3_endpoint}", tmp_path)
    assert isinstance(storage, S3Storage)
    await storage.put("files/a", b"x")
    assert (await storage.path("files/a")).is_relative_to(tmp_path)
    assert [key async for key in LocalStorage(tmp_path).keys("")] == []


@pytest.mark.parametrize("url", ["", "files", "file://host/a", "gs://pictures", "s3://", "s3://key:secret@pictures"])
def test_other_urls_are_refused(tmp_path: Path, url: str) -> None:
    """What names no store says what would."""
    with pytest.raises(ValueError, match="must"):
        open_storage(url, tmp_path)


def test_without_the_extra(tmp_path: Path) -> None:
    """Where obstore is not installed, folders open, and a bucket says what to install."""
    ended = subprocess.run([sys.executable, "-c", WITHOUT_OBSTORE], capture_output=True, text=True, check=True)
    assert "pip install 'fluxhouse[s3]'" in ended.stdout
