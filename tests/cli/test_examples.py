"""`fluxhouse examples`: pictures made through the API of a running server, then shown by it."""

import httpx2


def test_examples_are_made_by_the_server_and_shown_on_the_models_pages(fluxhouse, subject, tmp_path):
    """Text, edit and fill, each with its inputs; a model or key that is none is one sentence."""
    server = subject()
    server.start()
    server.wait_until("/readyz")
    key = (tmp_path / "house" / "demo-key").read_text().strip()
    models = ("--model", "flux-dev", "--model", "flux-kontext-dev", "--model", "flux-fill-dev")
    made = fluxhouse("examples", "make", *models, "--key", key, "--url", server.url)
    assert (made.code, made.err) == (0, "")
    assert "flux-dev: 3 examples" in made.out
    for model, files in [
        ("flux-dev", ["0.png", "2.png"]),
        ("flux-kontext-dev", ["1-input_image.png"]),
        ("flux-fill-dev", ["0-mask.png"]),
    ]:
        page = httpx2.get(f"{server.url}/models/{model}").text
        for file in files:
            address = f"/docs/{model}/examples/{file}"
            assert address in page
            assert httpx2.get(server.url + address).content.startswith(b"\x89PNG")
    unknown = fluxhouse("examples", "make", "--model", "flux-nope", "--key", key, "--url", server.url)
    assert (unknown.code, unknown.out) == (1, "")
    assert "there is no model 'flux-nope'; there are flux" in unknown.err
    refused = fluxhouse("examples", "make", "--key", "fh_wrong", "--url", server.url)
    assert refused.code == 1
    assert refused.err.startswith("fluxhouse: ")
