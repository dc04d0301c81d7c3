"""The playground's pages: the form that the server makes, and the programs for what was filled in."""

import gzip
from importlib.resources import files

from tests.console.test_pages import Page

BODY = {"prompt": "it's a fox", "aspect_ratio": "3:2", "seed": 7}


async def test_strangers_sign_in_first_and_come_back(browser):
    """The page is for who has credits."""
    answer = await browser.get("/playground/flux-dev")
    assert answer.status_code == 303
    assert "next=/playground/flux-dev" in answer.headers["location"]


async def test_every_model_has_a_form_made_of_its_parameters(place, browser):
    """Balanced, without inline anything, no id twice; only what the model takes."""
    await browser.sign_in()
    for model in place.door.catalog.models:
        answer = await browser.get(f"/playground/{model.id}")
        assert answer.status_code == 200
        page = Page(answer.text)
        assert page.open == []
        assert not [name for _, known in page.tags for name in known if name == "style" or name.startswith("on")]
        ids = [known["id"] for _, known in page.tags if "id" in known]
        assert len(ids) == len(set(ids))
        own = {parameter.name for parameter in model.parameters} | {"model", "form_token", "theme", "back", "q", "kind"}
        assert {known["name"] for tag, known in page.tags if "name" in known and tag != "meta"} <= own
    assert (await browser.get("/playground/none")).status_code == 404


async def test_the_way_in_leads_to_a_model_that_is_served(browser):
    """The one that was chosen, else the first."""
    assert (await browser.get("/playground")).headers["location"] == "/playground/flux-dev"
    chosen = await browser.get("/playground", params={"model": "flux-fill-dev"})
    assert chosen.headers["location"] == "/playground/flux-fill-dev"
    assert (await browser.get("/playground", params={"model": "none"})).status_code == 404


async def test_the_code_of_a_request_is_that_of_the_models_page(browser):
    """In every language; what the API would refuse, and what comes from elsewhere, is refused."""
    await browser.sign_in()
    headers = {"x-form-token": await browser.form_token()}
    answer = await browser.post("/playground/flux-schnell/code", json=BODY, headers=headers)
    found = {sample["id"]: sample["code"] for sample in answer.json()["samples"]}
    assert {"curl", "python", "sdk", "javascript", "php", "java", "openai", "replicate", "fal"} == set(found)
    assert "it'\\''s a fox" in found["curl"]
    wrong = await browser.post("/playground/flux-schnell/code", json=BODY | {"seed": "x"}, headers=headers)
    assert (wrong.status_code, "must be an integer" in wrong.text) == (400, True)
    for content in (b"[", b"[]", b'{"seed":' * 5000):
        assert (await browser.post("/playground/flux-dev/code", content=content, headers=headers)).status_code == 400
    assert (await browser.post("/playground/flux-schnell/code", json=BODY)).status_code == 403


def test_all_scripts_together_are_small():
    """Far below what a page may weigh."""
    folder = files("fluxhouse.console") / "static" / "js"
    scripts = b"".join(file.read_bytes() for file in folder.iterdir())
    assert len(gzip.compress(scripts, 9)) < 25_000
    assert b"innerHTML" not in scripts
