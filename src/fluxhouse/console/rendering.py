"""Pages from templates: one environment, the headers that every page carries, errors as pages."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from fluxhouse.console.assets import SHEET, Assets
from fluxhouse.console.charts import amount
from fluxhouse.console.desk import Desk
from fluxhouse.console.visitors import FORM_TOKEN, Visitors
from fluxhouse.generation.credits import MICRO

THEME_COOKIE = "theme"
THEMES = ("auto", "light", "dark")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; font-src 'self'; "
    "connect-src 'self'; form-action {form_action}; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class Renderer:
    """Draws pages for whoever looks: `page` fills a template with what every page knows and its own facts."""

    def __init__(self, desk: Desk, visitors: Visitors, assets: Assets) -> None:
        self._desk = desk
        self._visitors = visitors
        self._assets = assets
        # Browsers apply it to redirects as well: buying credits leads from a form of ours to the cashier's page.
        self._form_action = "'self'" if desk.cashier is None else f"'self' {desk.cashier.origin}"
        self.templates = Environment(
            loader=PackageLoader("fluxhouse.console"),
            autoescape=select_autoescape(("html",), default_for_string=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.templates.filters |= {"amount": amount, "coded": coded, "credits": credits_text, "moment": moment}
        self.templates.globals |= {"asset": assets.address, "sheet": SHEET, "form_token_name": FORM_TOKEN}

    async def page(self, request: Request, template: str, status: int = 200, **facts: Any) -> Response:
        """The page of that template, `private` and asked for anew each time."""
        session = await self._visitors.find(request)
        theme = request.cookies.get(THEME_COOKIE, "auto")
        content = self.templates.get_template(template).render(
            session=session,
            form_token="" if session is None else session.form_token(self._desk.pepper),
            theme=theme if theme in THEMES else "auto",
            path=request.url.path,
            sign_up=self._desk.sign_up,
            public_url=self._desk.public_url,
            **facts,
        )
        headers = HEADERS | {
            "Content-Security-Policy": POLICY.format(form_action=self._form_action),
            "Cache-Control": "private, no-cache",
        }
        return HTMLResponse(content, status, headers)

    async def failure(self, request: Request, status: int, title: str, message: str) -> Response:
        """An error as a page."""
        return await self.page(request, "error.html", status, title=title, message=message)


def coded(text: str) -> Markup:
    """The text escaped, with what stands between backticks as code."""
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if index % 2 else escape(part) for index, part in enumerate(parts)
    )


def credits_text(amount_micro: int) -> str:
    """Credits in words, such as `1 credit` and `2.5 credits`."""
    number = (Decimal(amount_micro) / MICRO).normalize()
    return f"{number:,f} credit{'' if number == 1 else 's'}"


def span_text(span: timedelta) -> str:
    """A span of time in the largest unit of which it has two, such as `40 s`, `12 min`, `3 h` or `2 d`."""
    seconds = max(0, int(span.total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def moment(at: datetime | None) -> Markup:
    """A moment as a `time` element, in UTC to the minute; a dash for none."""
    if at is None:
        return Markup("&ndash;")
    return Markup('<time datetime="{}">{}</time>').format(
        at.strftime("%Y-%m-%dT%H:%M:%SZ"), at.strftime("%-d %b %Y, %H:%M")
    )
