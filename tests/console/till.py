"""localstripe with Checkout, which it lacks: `python till.py SECRET [WEBHOOK_URL]` prints its address and serves.

Webhooks go to WEBHOOK_URL, and without one to `/_config/told`, where they can be read again.
"""

import asyncio
import sys

from aiohttp import web
from localstripe import resources, server
from localstripe.webhooks import schedule_webhook

CARD = {"number": "4242424242424242", "exp_month": "12", "exp_year": "2030", "cvc": "123"}
TOLD = "/_config/told"
told: list[list[str]] = []
address = [""]


class CheckoutSession(resources.StripeObject):
    """A page on which one order is paid, as far as clients read it."""

    object = "checkout.session"
    _id_prefix = "cs_test_"

    def __init__(self, mode, line_items, success_url, cancel_url, client_reference_id=None, metadata=None) -> None:
        super().__init__()
        (line,) = line_items
        price = line["price_data"]
        self.mode, self.metadata, self.client_reference_id = mode, metadata or {}, client_reference_id
        self.success_url, self.cancel_url = success_url, cancel_url
        self.amount_total, self.currency = int(price["unit_amount"]) * int(line["quantity"]), price["currency"]
        self.payment_intent, self.payment_status = None, "unpaid"
        self.url = f"{address[0]}/_config/pay/{self.id}"

    def _pay(self) -> None:
        """Charge a test card by a PaymentIntent of localstripe's own, and tell it."""
        method = resources.PaymentMethod(type="card", card=dict(CARD))
        intent = resources.PaymentIntent(self.amount_total, self.currency, payment_method=method.id)
        resources.PaymentIntent._api_confirm(intent.id)
        self.payment_intent, self.payment_status = intent.id, "paid"
        schedule_webhook(resources.Event("checkout.session.completed", self))


async def create(request):
    fields = await server.get_post_data(request)
    return server.json_response(CheckoutSession._api_create(**fields)._export())


async def pay(request):
    session = CheckoutSession._api_retrieve(request.match_info["id"])
    session._pay()
    raise web.HTTPSeeOther(session.success_url)


async def receive(request):
    told.append([(await request.read()).decode(), request.headers["Stripe-Signature"]])
    return web.Response()


async def tell(request):
    return web.json_response(told)


async def serve(secret, webhook_url=None):
    resources.store.dump_to_disk = lambda: None  # it would write beside every other localstripe of this machine
    router = server.app.router
    router.add_post("/v1/checkout/sessions", create)
    router.add_get("/_config/pay/{id}", pay)
    router.add_post(TOLD, receive)
    router.add_get(TOLD, tell)
    runner = web.AppRunner(server.app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address[0] = f"http://127.0.0.1:{runner.addresses[0][1]}"
    server.register_webhook("house", webhook_url or address[0] + TOLD, secret, ["checkout.session.completed"])
    print(address[0], flush=True)  # noqa: T201
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
