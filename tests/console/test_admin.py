"""The first page of administrators: who sees it, what it shows, the books, and the audit log."""

from datetime import timedelta

from sqlalchemy import update

from fluxhouse.core import accounts, audit, keys, ledger, queue, settle
from fluxhouse.core.keys import Caller
from fluxhouse.core.ledger import balances
from fluxhouse.core.submit import Submission, submit
from fluxhouse.generation.errors import OutOfMemory
from fluxhouse.generation.request import GenerationRequest

PAGES = ["/admin", "/admin/reconcile", "/admin/accounts", "/admin/models", "/admin/vouchers", "/admin/audit"]


def taken_in(connection, place, model):
    account, now = accounts.get(connection, place.ada.account_id), place.clock.now()
    key, _ = keys.issue(connection, account.id, place.door.options.pepper, now)
    request = GenerationRequest(model=model, prompt="a secret fox", width=256, height=256, seed=7)
    caller = Caller(account, key)
    submit(connection, Submission(caller, "native", model, "card", request, 1_000_000, 4, timedelta(hours=24)), now)


async def busy(place):
    """Of three jobs of Ada's one has failed, one has a worker, and one waits."""
    await place.platform.drain()  # so that nobody else takes them

    def begin(connection):
        ledger.grant(connection, place.ada.account_id, 9_000_000, place.clock.now(), None)
        for model in ("flux-dev", "flux-krea-dev"):
            taken_in(connection, place, model)
        failed, _ = queue.claim(connection, 2, place.clock.now())
        settle.fail(connection, failed, OutOfMemory(), place.clock.now())
        taken_in(connection, place, "flux-schnell")

    await place.database.write(begin)


async def test_only_administrators_see_these_pages(browser):
    """A stranger is sent to sign in, a member is told no, an administrator sees the page."""
    for path in PAGES:
        assert (await browser.get(path)).headers["location"] == f"/sign-in?next={path}"
    await browser.sign_in()
    assert [(await browser.get(path)).status_code for path in PAGES] == [403] * len(PAGES)
    await browser.sign_in("root@example.com")
    assert [(await browser.get(path)).status_code for path in PAGES] == [200] * len(PAGES)


async def test_the_page_says_what_waits_what_is_made_and_what_failed(place, browser):
    """Of every account, with the words of the errors but no prompt; a worker that fell silent is marked."""
    await busy(place)
    await browser.sign_in("root@example.com")
    place.clock.advance(minutes=3)
    page = (await browser.get("/admin")).text
    assert page.count('<dd class="figure-number">1</dd>') == 3
    assert "the oldest for 3 min" in page
    assert "silent for 3 min" in page
    assert "out_of_memory" in page
    assert "secret fox" not in page
    place.clock.advance(hours=1)
    assert "out_of_memory" not in (await browser.get("/admin")).text


async def test_the_books_are_reconciled_on_demand(place, browser):
    """All adds up, until a balance is changed behind the ledger's back: then which one, and by how much."""
    await busy(place)
    await browser.sign_in("root@example.com")
    assert "All adds up" in (await browser.get("/admin/reconcile")).text
    name = ledger.available(place.ada.account_id)
    bent = update(balances).where(balances.c.ledger_account == name).values(amount_micro=balances.c.amount_micro + 5)
    await place.database.write(lambda connection: connection.execute(bent))
    page = (await browser.get("/admin/reconcile")).text
    assert name in page
    assert "0.000005 credits" in page


async def test_the_audit_log_is_read_page_by_page(place, browser):
    """Who, what, to whom, why; nonsense in the address is the newest page."""
    for number in range(60):
        await place.write(audit.note, audit.COMMAND, "test.act", f"subject {number}.", place.clock.now())
    await browser.sign_in("root@example.com")
    newest = (await browser.get("/admin/audit")).text
    assert "subject 59." in newest
    assert "subject 10." in newest
    assert "subject 9." not in newest
    older = newest.rpartition("/admin/audit?before=")[2].partition('"')[0]
    assert "subject 9." in (await browser.get(f"/admin/audit?before={older}")).text
    assert "subject 59." in (await browser.get("/admin/audit?before=99999999999999999999")).text
