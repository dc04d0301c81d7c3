"""`fluxhouse backup` and `fluxhouse restore`: what was true when the copy was taken is true again elsewhere."""

import os
import stat
import subprocess
import sys
import tarfile
import threading

import httpx2
import pytest

from fluxhouse.cli.bench.subject import Subject
from fluxhouse.core import jobs
from fluxhouse.database.database import Database

SMALL = {"prompt": "a fox", "width": 256, "height": 256}


def headers(folder):
    return {"Authorization": f"Bearer {(folder / 'demo-key').read_text().strip()}"}


def restored(one, tar, folder):
    line = [sys.executable, "-m", "fluxhouse", "restore", str(tar), "--data", str(folder)]
    return subprocess.run(line, capture_output=True, text=True, check=False, env=one._environment)


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    """One server for the module, on the folder `house` beside which nothing else is."""
    house = tmp_path_factory.mktemp("backup") / "house"
    house.mkdir()
    one = Subject(house, environment={"FLUXHOUSE_MODELS": "*=testcard"})
    one.start()
    one.wait_until("/readyz")
    yield one
    one.close()


@pytest.fixture(scope="module")
def house(serving):
    """The folder that is served."""
    return serving._folder


def test_a_backup_under_load_is_restored_whole(serving, house, subject, tmp_path):
    """Taken while jobs come and end: every credit adds up, every finished job's picture is there, keys work."""
    tar, elsewhere = tmp_path / "backup.tar", tmp_path / "elsewhere"
    first = httpx2.post(
        serving.url + "/api/v1/models/flux-dev/run", json=SMALL, headers=headers(house) | {"Prefer": "wait"}
    ).json()
    ended = threading.Event()

    def load():
        while not ended.is_set():
            httpx2.post(serving.url + "/api/v1/models/flux-dev/run", json=SMALL, headers=headers(house))

    loading = threading.Thread(target=load)
    loading.start()
    try:
        taken = serving.command("backup", str(tar))
    finally:
        ended.set()
        loading.join()
    assert taken.returncode == 0, taken.stderr
    assert stat.S_IMODE(tar.stat().st_mode) == 0o600
    assert list(tmp_path.glob(".fluxhouse-backup-*")) == []
    back = restored(serving, tar, elsewhere)
    assert (back.returncode, back.stdout.splitlines()[-1]) == (0, "0 drifts"), back.stderr
    for name in ("secret", "demo-key", "fluxhouse.db"):
        assert stat.S_IMODE((elsewhere / name).stat().st_mode) == 0o600
    assert (elsewhere / "secret").read_text() == (house / "secret").read_text()
    finished_jobs_have_their_pictures(elsewhere)
    again = subject(folder=elsewhere)
    again.start()
    again.wait_until("/readyz")
    answer = httpx2.get(f"{again.url}/api/v1/jobs/{first['jobId']}", headers=headers(house))
    assert answer.json()["status"] == "completed"
    assert again.stop() == 0
    assert again.command("reconcile").returncode == 0


def finished_jobs_have_their_pictures(folder):
    """Every image a row lists lies in the store, and no output is there whose job is not."""
    database = Database(f"sqlite:///{folder / 'fluxhouse.db'}")
    with database.snapshot() as connection:
        rows = {path.name: jobs.find(connection, path.name) for path in (folder / "files" / "outputs").iterdir()}
    database.close()
    assert len(rows) >= 1
    assert None not in rows.values()
    for row in rows.values():
        for image in row.images:
            assert (folder / "files" / image.key).stat().st_size == image.size_bytes


def test_nothing_is_replaced(house, fluxhouse, tmp_path):
    """An existing file is not overwritten, nor a folder in use, nor one that holds anything."""
    tar, full = tmp_path / "backup.tar", tmp_path / "full"
    assert fluxhouse("backup", str(tar), "--data", str(house)).code == 0
    again = fluxhouse("backup", str(tar), "--data", str(house))
    assert (again.code, "replaces nothing" in again.err) == (1, True)
    in_use = fluxhouse("restore", str(tar), "--data", str(house))
    assert (in_use.code, "another fluxhouse" in in_use.err) == (1, True)
    full.mkdir()
    (full / "mine").write_text("mine")
    refused = fluxhouse("restore", str(tar), "--data", str(full))
    assert (refused.code, "is not empty" in refused.err) == (1, True)
    assert sorted(path.name for path in full.iterdir()) == ["lock", "mine"]


def test_a_damaged_archive_leaves_nothing_behind(house, fluxhouse, tmp_path):
    """A cut, foreign or poisoned archive is refused in one sentence, and the folder stays empty."""
    tar = tmp_path / "backup.tar"
    assert fluxhouse("backup", str(tar), "--data", str(house)).code == 0
    cut = tmp_path / "cut.tar"
    cut.write_bytes(tar.read_bytes()[: tar.stat().st_size // 2])
    noise = tmp_path / "noise.tar"
    noise.write_bytes(os.urandom(4096))
    poisoned = tmp_path / "poisoned.tar"
    with tarfile.open(tar) as whole, tarfile.open(poisoned, "w") as archive:
        member = whole.next()
        archive.addfile(member, whole.extractfile(member))
        archive.addfile(tarfile.TarInfo("files/../../escaped"))
    for index, broken in enumerate((cut, noise, poisoned, tmp_path / "missing.tar")):
        folder = tmp_path / f"new-{index}"
        refused = fluxhouse("restore", str(broken), "--data", str(folder))
        assert refused.code == 1, broken
        assert refused.err.count("\n") == 1, refused.err
        assert [path.name for path in folder.rglob("*") if path.is_file()] == ["lock"]
    assert not (tmp_path / "escaped").exists()


def test_without_a_database_there_is_nothing_to_back_up(fluxhouse, tmp_path):
    """A folder that nobody served yet is refused, and no file is made."""
    refused = fluxhouse("backup", str(tmp_path / "backup.tar"))
    assert (refused.code, "there is no database" in refused.err) == (1, True)
    assert not (tmp_path / "backup.tar").exists()


def test_another_database_has_its_own_tools(fluxhouse, tmp_path, monkeypatch):
    """With PostgreSQL both commands name what to use instead, and reach for nothing."""
    monkeypatch.setenv("FLUXHOUSE_DATABASE_URL", "postgresql://nobody@nowhere.invalid/house")
    monkeypatch.setenv("FLUXHOUSE_STORAGE_URL", str(tmp_path / "shared"))
    monkeypatch.setenv("FLUXHOUSE_SECRET", "a secret of the whole fleet")
    for command in ("backup", "restore"):
        refused = fluxhouse(command, str(tmp_path / "backup.tar"))
        assert (refused.code, "pg_dump" in refused.err) == (1, True)
