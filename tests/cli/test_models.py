"""`fluxhouse models` shows the catalog and who serves it here."""


def test_every_model_is_listed_with_its_maker(fluxhouse, monkeypatch):
    """Models without weights here are listed as such."""
    monkeypatch.setenv("FLUXHOUSE_MODELS", "flux-dev=testcard")
    lines = {line.split()[0]: line for line in fluxhouse("models", "list").out.splitlines()}
    assert "testcard" in lines["flux-dev"]
    assert "FLUX.1 [dev]" in lines["flux-dev"]
    assert "not served here" in lines["flux-schnell"]


def test_one_model_is_shown_in_full(fluxhouse):
    """Parameters, price and licence of a model are there; an unknown one is refused."""
    shown = fluxhouse("models", "show", "flux-dev").out
    assert "prompt" in shown
    assert "1 credits an image" in shown
    assert "[dev] Non-Commercial" in shown
    assert fluxhouse("models", "show", "flux-dve").code == 1
