"""`fluxhouse serve` as a process: what it prints, refuses, keeps private and puts away."""

import re
import stat

import httpx2
import pytest

KEY = re.compile(r"^fh_\w+$", re.MULTILINE)


def printed(one):
    return (one._folder / "serve.log").read_text()


@pytest.fixture
def house(tmp_path):
    return tmp_path / "house"


def test_the_first_start_opens_a_demo_account(subject, house):
    """An empty folder gets an account with 1,000 credits, whose key is printed and kept for the owner alone."""
    one = subject()
    one.start()
    one.wait_until("/readyz")
    key = (house / "demo-key").read_text().strip()
    assert stat.S_IMODE((house / "demo-key").stat().st_mode) == 0o600
    credits = httpx2.get(one.url + "/api/v1/credits", headers={"Authorization": f"Bearer {key}"})
    assert credits.json()["available"] == 1000
    assert one.stop() == 0
    assert KEY.findall(printed(one)) == [key]
    assert "curl -fsS http" in printed(one)


def test_a_later_start_keeps_the_account(subject, house):
    """The second start prints the same key and opens nothing new."""
    for _ in range(2):
        one = subject()
        one.start()
        one.wait_until("/readyz")
        assert one.stop() == 0
    assert len(set(KEY.findall(printed(one)))) == 1
    assert one.command("accounts", "list").stdout.count("demo") == 1


def test_the_demo_key_is_not_served_to_other_machines(subject, house):
    """A host beyond loopback is refused on a new folder and with the key in force, until it is revoked or allowed."""
    exposed = ("serve", "--host", "0.0.0.0", "--port", "0")
    one = subject()
    first = one.command(*exposed)
    assert first.returncode == 1
    assert "accounts create" in first.stderr
    assert not (house / "demo-key").exists()
    one.start()
    one.wait_until("/readyz")
    one.stop()
    second = one.command(*exposed)
    assert second.returncode == 1
    assert "keys revoke" in second.stderr
    allowed = subject("--host", "0.0.0.0", "--allow-demo-key")
    allowed.start()
    allowed.wait_until("/readyz")
    allowed.stop()
    assert one.command("keys", "revoke", (house / "demo-key").read_text().strip()).returncode == 0
    own = subject("--host", "0.0.0.0")
    own.start()
    own.wait_until("/readyz")
    assert own.stop() == 0


def test_one_folder_has_one_server(subject):
    """A second serve and a worker on the same folder refuse with one sentence; commands work beside the server."""
    one = subject()
    one.start()
    one.wait_until("/readyz")
    for arguments in (("serve", "--port", "0"), ("worker",)):
        refused = one.command(*arguments)
        assert refused.returncode == 1
        assert "another fluxhouse (process" in refused.stderr
        assert refused.stderr.count("\n") == 1
    key = one.open_account("me", 5, rate=60)
    headers = {"Authorization": f"Bearer {key}"}
    assert httpx2.get(one.url + "/api/v1/credits", headers=headers).json()["available"] == 5
    one.command("credits", "grant", "me", "2")
    assert httpx2.get(one.url + "/api/v1/credits", headers=headers).json()["available"] == 7


def test_a_taken_port_is_said(subject, tmp_path):
    """Where somebody listens already, the refusal names the port."""
    one = subject()
    one.start()
    one.wait_until("/readyz")
    other = subject(folder=tmp_path / "other").command("serve", "--port", str(one.port))
    assert other.returncode == 1
    assert f"port {one.port}" in other.stderr


def test_settings_are_shown_without_the_secret(fluxhouse, monkeypatch):
    """--show-settings prints every variable, and stops."""
    monkeypatch.setenv("FLUXHOUSE_SECRET", "sesame open, said Ali Baba")
    shown = fluxhouse("serve", "--show-settings", "--port", "9001")
    assert shown.code == 0
    assert "FLUXHOUSE_PORT=9001" in shown.out
    assert "FLUXHOUSE_MODELS=*=testcard" in shown.out
    assert "sesame" not in shown.out


def test_without_the_engine_it_says_what_to_install(subject, tmp_path, monkeypatch):
    """Where torch is missing, serve refuses with the command that helps, and --no-worker serves all the same."""
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked" / "sitecustomize.py").write_text(
        "import importlib.util as u\n"
        "found = u.find_spec\n"
        "u.find_spec = lambda name, package=None: None if name == 'torch' else found(name, package)\n"
    )
    without_torch = {"PYTHONPATH": str(tmp_path / "blocked"), "FLUXHOUSE_MODELS": ""}
    one = subject("--no-worker", **without_torch)
    refused = one.command("serve", "--port", "0")
    assert refused.returncode == 1
    assert "the engine needs torch: install with" in refused.stderr
    one.start()
    one.wait_until("/readyz")
    assert one.stop() == 0
