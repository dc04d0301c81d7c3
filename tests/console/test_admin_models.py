"""What administrators say about models and vouchers, and that every way to ask obeys it."""

import re

import pytest

from fluxhouse.core import accounts, audit, keys, ledger, vouchers
from fluxhouse.core.topup import topup

ASKED = {"prompt": "a fox", "width": 256, "height": 256}


@pytest.fixture
async def root(place, browser):
    """Root, signed in, with a form token."""
    await browser.sign_in("root@example.com")
    browser.token = await browser.form_token("/account")
    return browser


async def send(browser, path, **fields):
    return await browser.post(path, {"form_token": browser.token, "why": "a test", **fields})


async def key_of(place):
    """A key of Ada's, with credits to spend."""

    def issue(connection):
        now = place.clock.now()
        topup(connection, accounts.get(connection, place.ada.account_id).name, 100_000_000, now)
        return keys.issue(connection, place.ada.account_id, place.door.options.pepper, now)[1]

    return {"authorization": f"Bearer {await place.database.write(issue)}"}


async def test_a_price_is_that_of_quotes_submits_lists_and_pages(place, root):
    """From the next submit; an empty price is the catalog's again."""
    key = await key_of(place)
    assert (await send(root, "/admin/models/flux-schnell", price="3.25", offered="yes")).status_code == 303
    quote = await root.client.post("/api/v1/models/flux-schnell/quote", json=ASKED, headers=key)
    assert quote.json()["creditsPerImage"] == 3.25
    run = await root.client.post("/api/v1/models/flux-schnell/run", json=ASKED, headers=key)
    assert run.status_code in (200, 201, 202)
    balance = await place.read(ledger.balance, place.ada.account_id)
    assert balance.available_micro == 96_750_000
    assert (await root.get("/api/v1/models/flux-schnell")).json()["creditCost"]["amount"] == 3.25
    assert "3.25 credits" in (await root.get("/models/flux-schnell")).text
    await send(root, "/admin/models/flux-schnell", price="", offered="yes")
    assert (await root.get("/api/v1/models/flux-schnell")).json()["creditCost"]["amount"] == 0.5
    (last, first) = await place.read(audit.latest, 2)
    assert (first.action, first.subject, first.facts["price"]) == ("models.terms", "flux-schnell", "3.25")
    assert last.facts["price"] is None


async def test_a_model_that_is_off_is_refused_everywhere_and_comes_back(place, root):
    """Nothing is charged; lists, OpenAPI and the page of models say that it is not available."""
    key = await key_of(place)
    before = (await root.get("/api/openapi")).json()
    await send(root, "/admin/models/flux-dev", price="", offered="no")
    for path in ("/api/v1/models/flux-dev/run", "/api/v1/models/flux-dev/quote"):
        refused = await root.client.post(path, json=ASKED, headers=key)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "model_unavailable")
    assert (await root.get("/api/v1/models/flux-dev")).json()["available"] is False
    assert (await root.get("/api/openapi")).json() != before
    assert '<span class="pill bad">off</span>' in (await root.get("/admin/models")).text
    assert (await place.read(ledger.balance, place.ada.account_id)).available_micro == 100_000_000
    await send(root, "/admin/models/flux-dev", price="", offered="yes")
    assert (await root.client.post("/api/v1/models/flux-dev/quote", json=ASKED, headers=key)).status_code == 200


async def test_moderation_is_switched_off_for_a_model_and_every_page_says_so(place, root):
    """Its page, Markdown, text for language models, JSON and OpenAPI; no other model's, and back again."""

    async def saying(model, words):
        texts = [
            (await root.get(path)).text for path in (f"/models/{model}", f"/models/{model}.md", f"/llm/{model}.txt")
        ]
        described = (await root.get("/api/openapi")).json()["paths"][f"/api/v1/models/{model}/run"]["post"]
        return [words in text for text in (*texts, described["description"])]

    await send(root, "/admin/models/flux-dev", price="", offered="yes", moderated="no")
    assert await saying("flux-dev", "disabled for this model") == [False, True, True, True]
    assert "Disabled for this model" in (await root.get("/models/flux-dev")).text
    assert await saying("flux-krea-dev", "none (no checker configured)") == [False, True, True, True]
    shown = (await root.get("/api/v1/models/flux-dev")).json()
    assert (shown["moderation"], shown["tags"][-1]) == ("disabled", "Content moderation disabled")
    assert '<td data-name="Moderation">disabled</td>' in (await root.get("/admin/models")).text
    assert "switched off" in (await root.get("/admin/models/flux-dev")).text
    assert "differs by model" in (await root.get("/llm.txt")).text
    (last,) = await place.read(audit.latest, 1)
    assert last.facts["is_unmoderated"] is True
    await send(root, "/admin/models/flux-dev", price="", offered="yes", moderated="yes")
    assert (await root.get("/api/v1/models/flux-dev")).json()["moderation"] == "none"
    assert "none (no checker configured): nothing is filtered" in (await root.get("/llm.txt")).text


async def test_terms_that_make_no_sense_are_refused_with_what_was_typed(root):
    """The form again, its error linked to the field; families and unknown models have no terms."""
    for price in ("-1", "a lot", "0.0000001", "1e12"):
        page = await send(root, "/admin/models/flux-dev", form="terms", price=price, offered="yes")
        assert (page.status_code, f'value="{price}"' in page.text, 'href="#terms-price"' in page.text) == (
            400,
            True,
            True,
        )
    assert (await send(root, "/admin/models/flux-dev", price="1", why="")).status_code == 400
    assert (await root.get("/admin/models/flux")).status_code == 404
    assert (await root.get("/admin/models/flux-9")).status_code == 404


async def test_vouchers_are_made_once_for_a_form_and_their_codes_shown_once(place, root):
    """A code works; the list has labels and who redeemed, never a code."""
    form = {"form": "voucher", "amount": "5", "count": "2", "days": "30", "label": "autumn", "nonce": "n1"}
    made = await send(root, "/admin/vouchers", **form)
    codes = re.findall(r"[2-9A-Z]{5}(?:-[2-9A-Z]{5}){3}", made.text)
    assert (made.status_code, len(set(codes)), made.headers["cache-control"]) == (200, 2, "no-store")
    assert (await send(root, "/admin/vouchers", **form)).status_code == 400
    ada = await place.read(accounts.get, place.ada.account_id)
    assert await place.write(vouchers.redeem, ada, codes[0], place.clock.now()) == 5_000_000
    page = (await root.get("/admin/vouchers")).text
    assert ("redeemed by" in page, page.count("autumn"), codes[1] in page) == (True, 2, False)
    for wrong in ({"amount": "0"}, {"count": "101"}, {"days": "0"}, {"amount": "x"}):
        assert (await send(root, "/admin/vouchers", **form | {"nonce": "n2"} | wrong)).status_code == 400
    assert len(await place.read(vouchers.latest, 10)) == 2
