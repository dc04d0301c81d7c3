"""The models' addresses as a browser asks for them: complete, balanced, under a policy without exceptions."""

from html.parser import HTMLParser

import pytest

from fluxhouse.console.examples import Example, keep_examples

VOID = frozenset({"meta", "link", "br", "img", "input", "path", "use", "rect"})
EXAMPLE = Example(
    request={"prompt": "a <fox>", "seed": 7},
    file="0.png",
    width=64,
    height=48,
    credits="1",
    seconds=2.25,
    served_by="card",
    made_on="2026-01-02",
)


class Page(HTMLParser):
    """The tags of a page with their attributes, and whether they are balanced."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


async def test_every_model_has_a_page_that_tells_all_of_it(place, browser):
    """Endpoint, parameters, ratios with pixels, relatives, code; no inline style, script or handler; no id twice."""
    for model in place.door.catalog.models:
        answer = await browser.get(f"/models/{model.id}")
        assert answer.status_code == 200
        page = Page(answer.text)
        assert page.open == []
        assert not [name for _, known in page.tags for name in known if name == "style" or name.startswith("on")]
        ids = [known["id"] for _, known in page.tags if "id" in known]
        assert len(ids) == len(set(ids))
        assert f"/api/v1/models/{model.id}/run" in answer.text
        assert [name for name in ids if name.startswith("p-")] == [f"p-{one.name}" for one in model.parameters]
        for ratio, (width, height) in model.aspect_ratios.items():
            assert f"<b>{ratio}</b> <small>{width} \u00d7 {height}</small>" in answer.text
        for related in model.related:
            assert f'href="/models/{related}"' in answer.text
        assert answer.text.count(">not supported yet</span>") == sum(not one.supported for one in model.parameters)
        assert f'/models/{model.id}.md>; rel="alternate"' in answer.headers["link"]
        assert len(answer.content) < 75_000


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/models", "text/html; charset=utf-8"),
        ("/docs", "text/html; charset=utf-8"),
        ("/docs/flux-kontext-pro", "text/html; charset=utf-8"),
        ("/models/flux-dev.md", "text/markdown; charset=utf-8"),
        ("/llm.txt", "text/plain; charset=utf-8"),
        ("/llms.txt", "text/plain; charset=utf-8"),
        ("/llm/flux-1.1-pro.txt", "text/plain; charset=utf-8"),
    ],
)
async def test_each_address_has_its_type_and_a_strict_policy(browser, path, kind):
    """Nothing foreign runs anywhere."""
    answer = await browser.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_the_list_is_searched_and_sifted(browser):
    """Every word must fit, and the kind."""
    assert 'href="/models/flux-schnell"' in (await browser.get("/models")).text
    found = (await browser.get("/models", params={"q": "kontext pro"})).text
    assert 'href="/models/flux-kontext-pro"' in found
    assert 'href="/models/flux-kontext-max"' not in found
    fills = (await browser.get("/models", params={"kind": "fill"})).text
    assert 'href="/models/flux-fill-dev"' in fills
    assert 'href="/models/flux-dev"' not in fills
    assert "No model fits" in (await browser.get("/models", params={"q": "<none>"})).text


async def test_pages_lead_to_each_other(browser):
    """Every address of ours that the list names can be asked for."""
    text = (await browser.get("/models")).text
    paths = {part.split('"')[0] for part in text.split('href="')[1:]}
    own = {path for path in paths if path.startswith(("/models", "/llm", "/static"))}
    assert len(own) > 15
    for path in own:
        assert (await browser.get(path.partition("#")[0])).status_code == 200


async def test_names_in_descriptions_are_set_as_code(browser):
    """Backticks of the catalog become code elements."""
    assert "Needs <code>height</code>" in (await browser.get("/models/flux")).text


async def test_examples_are_shown_with_what_they_took_and_what_makes_them_again(place, browser):
    """Until there are any the page says how to make them."""
    assert "fluxhouse examples make --model flux-dev" in (await browser.get("/models/flux-dev")).text
    await keep_examples(place.door.storage, "flux-dev", [EXAMPLE], {"0.png": b"picture"})
    text = (await browser.get("/models/flux-dev")).text
    assert "1 credit · 2.2 s · 64 \u00d7 48 · seed 7 · card" in text
    assert 'href="/playground/flux-dev#prompt=a%20%3Cfox%3E&amp;seed=7"' in text
    assert "a &lt;fox&gt; (generated picture)" in text
    picture = await browser.get("/docs/flux-dev/examples/0.png")
    assert (picture.content, picture.headers["content-type"]) == (b"picture", "image/png")
    assert "sandbox" in picture.headers["content-security-policy"]
    assert "/docs/flux-dev/examples/0.png" in (await browser.get("/models")).text
    for path in ("/docs/flux-dev/examples/1.png", "/docs/flux-dev/examples/0.json", "/models/none", "/docs/none"):
        assert (await browser.get(path)).status_code == 404
