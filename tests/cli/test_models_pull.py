"""`fluxhouse models pull` and `rm`: a checkpoint comes under its licence, and stays while it is served."""

import pytest
from huggingface_hub import constants


@pytest.fixture
def hub(fake_hub, bare_checkpoint, monkeypatch):
    """A hub of this test, with a free checkpoint and the gated one of a model of the catalog."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    monkeypatch.setenv("FLUXHOUSE_HF_URL", fake_hub.url)
    folder = bare_checkpoint("published")
    fake_hub.publish("house/free", folder, {"license": "apache-2.0"})
    fake_hub.publish("black-forest-labs/FLUX.1-dev", folder, {"license": "other"}, "auto", token="hf_ours")
    return fake_hub


def test_a_free_checkpoint_comes_and_goes(fluxhouse, hub, monkeypatch):
    """It is listed with its licence, can be served, and is removed only when nothing is."""
    pulled = fluxhouse("models", "pull", "house/free")
    assert pulled.code == 0, pulled.err
    assert "licence: apache-2.0" in pulled.out
    assert "FLUXHOUSE_MODELS, such as flux-dev=house/free" in pulled.out
    monkeypatch.setenv("FLUXHOUSE_MODELS", "flux-dev=house/free")
    listed = fluxhouse("models", "list").out.splitlines()
    assert any(line.startswith("flux-dev ") and "fluxhouse-engine" in line for line in listed)
    assert any(line.startswith("house/free ") and "flux-dev" in line for line in listed)
    assert "flux-dev from house/free: take it out there first" in fluxhouse("models", "rm", "house/free").err
    monkeypatch.setenv("FLUXHOUSE_MODELS", "*=testcard")
    assert "house/free is gone" in fluxhouse("models", "rm", "house/free").out
    again = fluxhouse("models", "rm", "house/free")
    assert (again.code, "there is nothing" in again.err) == (1, True)


def test_a_restricted_licence_is_accepted_first(fluxhouse, hub, tmp_path, monkeypatch):
    """By its model's id the catalog's own licence is shown; without acceptance nothing is fetched; it is remembered."""
    monkeypatch.setenv("FLUXHOUSE_HF_TOKEN", "hf_ours")
    refused = fluxhouse("models", "pull", "flux-dev")
    assert (refused.code, "--accept-licence" in refused.err) == (1, True)
    assert "FLUX.1 [dev] Non-Commercial License, gated, non-commercial (https://huggingface.co/" in refused.out
    assert hub.served == {}
    assert not (tmp_path / "house").exists()
    assert fluxhouse("models", "pull", "flux-dev", "--accept-licence").code == 0
    found = fluxhouse("models", "doctor").out
    assert "black-forest-labs/FLUX.1-dev" in found
    assert "non-commercial, accepted 20" in found
    again = fluxhouse("models", "pull", "flux-dev")
    assert again.code == 0, again.err
    assert "such as flux-dev=black-forest-labs/FLUX.1-dev" in again.out


def test_a_gated_checkpoint_without_a_token_is_said(fluxhouse, hub):
    """The error says where access is given, and nothing half-there is served."""
    refused = fluxhouse("models", "pull", "flux-dev", "--accept-licence")
    assert refused.code == 1
    assert "is gated: accept its licence on its page, and set FLUXHOUSE_HF_TOKEN" in refused.err
    assert "unfinished" in fluxhouse("models", "doctor").out
    assert fluxhouse("models", "rm", "black-forest-labs/FLUX.1-dev").code == 0
    assert "unfinished" not in fluxhouse("models", "doctor").out


@pytest.mark.parametrize("source", ["flux-pro", "../house", "house/free/weights.bin", "house/none"])
def test_what_cannot_be_pulled_is_refused(fluxhouse, hub, source):
    """A model without published weights, what is no name, no safetensors, and what the hub does not have."""
    refused = fluxhouse("models", "pull", source)
    assert refused.code == 1
    assert source in refused.err


def test_a_safety_checker_comes_and_stays_while_it_is_named(fluxhouse, hub, bare_checker, monkeypatch):
    """The command says which setting it is for, and the list who uses it."""
    hub.publish("house/checker", bare_checker, {"license": "apache-2.0"})
    pulled = fluxhouse("models", "pull", "house/checker")
    assert pulled.code == 0, pulled.err
    assert "FLUXHOUSE_SAFETY_CHECKER=house/checker" in pulled.out
    monkeypatch.setenv("FLUXHOUSE_SAFETY_CHECKER", "house/checker")
    listed = fluxhouse("models", "list").out.splitlines()
    assert any(line.startswith("house/checker ") and "safety checker" in line for line in listed)
    refused = fluxhouse("models", "rm", "house/checker").err
    assert "FLUXHOUSE_SAFETY_CHECKER serves safety checker from house/checker" in refused
