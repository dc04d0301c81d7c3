"""The playground's pages: the form that the server makes, and the programs for what was filled in."""

import gzip
from importlib.resources import files

from tests.console.test_pages import Page

from fluxhouse.core.topup import topup

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


async def test_the_last_results_lead_back_to_what_made_them(place, browser):
    """Of any model, for the account alone, and as long as their pictures are there."""
    await place.write(topup, "ada", 1_000_000, place.clock.now())
    await browser.sign_in()
    assert "data-results hidden" in (await browser.get("/playground/flux-dev")).text
    headers = {"x-form-token": await browser.form_token(), "prefer": "wait=20"}
    made = await browser.post("/console/api/v1/models/flux-schnell/run", json=BODY, headers=headers)
    job = made.json()["jobId"]
    page = (await browser.get("/playground/flux-dev")).text
    assert f'src="/gallery/{job}/thumbnail/0"' in page
    assert 'href="/playground/flux-schnell#prompt=it%27s%20a%20fox&amp;seed=7&amp;aspect_ratio=3%3A2"' in page
    other = place.browser()
    await other.sign_in("root@example.com")
    assert job not in (await other.get("/playground/flux-dev")).text
    place.clock.advance(hours=25)
    await browser.sign_in()
    assert job not in (await browser.get("/playground/flux-dev")).text


def test_all_scripts_together_are_small():
    """Far below what a page may weigh."""
    folder = files("fluxhouse.console") / "static" / "js"
    scripts = b"".join(file.read_bytes() for file in folder.iterdir())
    assert len(gzip.compress(scripts, 9)) < 25_000
    assert b"innerHTML" not in scripts
