"""`fluxhouse doctor` names what is wrong and what to do about it."""

from fluxhouse.database.lock import FolderLock


def test_a_new_folder_is_no_illness(fluxhouse, tmp_path):
    """Before the first start everything that will be made is announced, nothing is made."""
    examined = fluxhouse("doctor", "--deep")
    assert examined.code == 0
    assert "made at the first start" in examined.out
    assert not (tmp_path / "house").exists()


def test_a_folder_in_use_is_seen(fluxhouse, tmp_path):
    """The holder of the lock is named, and the database's revision."""
    fluxhouse("accounts", "create", "me")
    lock = FolderLock(tmp_path / "house" / "lock")
    lock.acquire()
    examined = fluxhouse("doctor")
    lock.release()
    assert "held by process" in examined.out
    assert "fluxhouse.db at 0" in examined.out


def test_a_readable_secret_is_noted(fluxhouse, tmp_path):
    """A secret that others can read comes with the command that mends it."""
    fluxhouse("accounts", "create", "me")
    fluxhouse("keys", "create", "me")
    (tmp_path / "house" / "secret").chmod(0o644)
    assert "chmod 600" in fluxhouse("doctor").out


def test_weights_that_are_none_are_fatal(fluxhouse, monkeypatch):
    """A model's folder that is not there fails the examination."""
    monkeypatch.setenv("FLUXHOUSE_MODELS", "flux-dev=/nowhere")
    examined = fluxhouse("doctor")
    assert examined.code == 1
    assert "FAIL  models" in examined.out
    assert "mend FLUXHOUSE_MODELS" in examined.out
    monkeypatch.setenv("FLUXHOUSE_MODELS", "*=testcard")
    monkeypatch.setenv("FLUXHOUSE_SAFETY_CHECKER", "/nowhere")
    examined = fluxhouse("doctor")
    assert (examined.code, examined.out.count("mend FLUXHOUSE_SAFETY_CHECKER")) == (1, 2)


def test_the_language_model_is_named(fluxhouse, monkeypatch):
    """Which one, and where; without one it is said what is refused."""
    assert "prompt_upsampling is refused" in fluxhouse("doctor").out
    monkeypatch.setenv("FLUXHOUSE_UPSAMPLER_URL", "http://127.0.0.1:11434/v1")
    monkeypatch.setenv("FLUXHOUSE_UPSAMPLER_MODEL", "llama3.2")
    assert "llama3.2 at http://127.0.0.1:11434/v1" in fluxhouse("doctor").out
