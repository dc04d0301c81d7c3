"""The documentation of every model, as web pages and as plain text, drawn from the catalog and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from fluxhouse.catalog.catalog import Catalog
from fluxhouse.catalog.model import Model
from fluxhouse.catalog.parameter import Parameter
from fluxhouse.generation import errors
from fluxhouse.generation.backend import Serving
from fluxhouse.generation.credits import MICRO, to_number

USD_PER_CREDIT = Decimal("0.025")
_JOB_ID = "job_0c22795e544041e192d3e5d967755d09"

_ERRORS: tuple[tuple[int, type[errors.PlatformError]], ...] = (
    (400, errors.InvalidParameter),
    (400, errors.UnsupportedParameter),
    (400, errors.InputImageRefused),
    (401, errors.InvalidKey),
    (402, errors.InsufficientCredits),
    (402, errors.SpendCapReached),
    (403, errors.KeyNotAllowed),
    (403, errors.AccountSuspended),
    (404, errors.UnknownModel),
    (404, errors.UnknownJob),
    (409, errors.JobAlreadyEnded),
    (410, errors.Gone),
    (422, errors.IdempotencyMismatch),
    (429, errors.RateLimited),
    (503, errors.ModelUnavailable),
)

_pages = Environment(
    loader=PackageLoader("fluxhouse.console"),
    autoescape=select_autoescape(("html",), default_for_string=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def _coded(text: str) -> Markup:
    """The text escaped, with what stands between backticks as code."""
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if index % 2 else escape(part) for index, part in enumerate(parts)
    )


_pages.filters["coded"] = _coded


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a parameter table, in words."""

    name: str
    type: str
    required: bool
    default: str
    accepts: str
    meaning: str
    supported: bool


def render_index(
    catalog: Catalog, serving: Mapping[str, Serving], public_url: str, usd_per_credit: Decimal = USD_PER_CREDIT
) -> str:
    """The HTML page that lists every model."""
    return _pages.get_template("index.html").render(_overview(catalog, serving, public_url, usd_per_credit))


def render_model_page(
    model: Model, serving: Mapping[str, Serving], public_url: str, usd_per_credit: Decimal = USD_PER_CREDIT
) -> str:
    """The HTML page of one model."""
    return _pages.get_template("model.html").render(_facts(model, serving, public_url, usd_per_credit))


def llm_text(
    catalog: Catalog, public_url: str, serving: Mapping[str, Serving], usd_per_credit: Decimal = USD_PER_CREDIT
) -> str:
    """The plain text of the whole API, for `/llm.txt`."""
    return _pages.get_template("llm.txt").render(_overview(catalog, serving, public_url, usd_per_credit))


def llm_model_text(
    model: Model, serving: Mapping[str, Serving], public_url: str, usd_per_credit: Decimal = USD_PER_CREDIT
) -> str:
    """The plain text of one model, for `/llm/{model}.txt`."""
    return _pages.get_template("llm_model.txt").render(_facts(model, serving, public_url, usd_per_credit))


def _overview(
    catalog: Catalog, serving: Mapping[str, Serving], public_url: str, usd_per_credit: Decimal
) -> dict[str, Any]:
    entries = [_entry(model, serving, usd_per_credit) for model in catalog.models]
    return {"entries": entries, "public_url": public_url, "errors": _error_rows()}


def _entry(model: Model, serving: Mapping[str, Serving], usd_per_credit: Decimal) -> dict[str, Any]:
    served = model.served_by(serving)
    return {
        "model": model,
        "credits": to_number(model.price_micro),
        "usd": _usd(model, usd_per_credit),
        "backend": served.backend if served is not None else None,
    }


def _facts(model: Model, serving: Mapping[str, Serving], public_url: str, usd_per_credit: Decimal) -> dict[str, Any]:
    return _entry(model, serving, usd_per_credit) | {
        "rows": [_row(parameter, model.served_by(serving)) for parameter in model.parameters],
        "members": [_entry(member, serving, usd_per_credit) for member in model.members],
        "aspect_ratios": model.aspect_ratios,
        "takes_custom_size": model.parameter("width") is not None,
        "foreign_defaults": [_row(parameter, None) for parameter in model.foreign if parameter.default is not None],
        "errors": _error_rows(),
        "public_url": public_url,
        "submitted": json.dumps(_submitted(model, public_url), indent=2),
        "completed": json.dumps(_completed(model, public_url), indent=2),
    }


def _submitted(model: Model, public_url: str) -> dict[str, Any]:
    return {
        "jobId": _JOB_ID,
        "status": "pending",
        "statusUrl": f"{public_url}/api/v1/jobs/{_JOB_ID}",
        "creditCost": to_number(model.price_micro),
        "creditsRemaining": 95,
        "expiresAt": "2025-01-23T12:00:00Z",
    }


def _completed(model: Model, public_url: str) -> dict[str, Any]:
    return {
        "jobId": _JOB_ID,
        "status": "completed",
        "model": model.id,
        "createdAt": "2025-01-22T12:00:00Z",
        "output": {"images": [f"{public_url}/outputs/{_JOB_ID}/0.png"]},
        "creditCost": to_number(model.price_micro),
        "expiresAt": "2025-01-23T12:00:00Z",
    }


def _usd(model: Model, usd_per_credit: Decimal) -> str:
    """The price of one image in dollars, at least two decimals and no more than needed."""
    price = (Decimal(model.price_micro) / MICRO * usd_per_credit).normalize()
    return format(price.quantize(Decimal("0.01")) if price == price.quantize(Decimal("0.01")) else price, "f")


def _row(parameter: Parameter, served: Serving | None) -> Row:
    return Row(
        name=parameter.name,
        type="enum" if parameter.enum is not None else parameter.type,
        required=parameter.required,
        default=_default(parameter, served),
        accepts="" if not parameter.supported else parameter.range_text(),
        meaning=parameter.description,
        supported=parameter.supported,
    )


def _default(parameter: Parameter, served: Serving | None) -> str:
    """The contract's default or, where it prints none, what holds on this installation."""
    if isinstance(parameter.default, bool):
        return "true" if parameter.default else "false"
    if parameter.default is not None:
        return str(parameter.default)
    if served is not None and parameter.name == "num_inference_steps":
        return f"- ({served.steps} here)"
    if served is not None and parameter.name == "guidance_scale" and served.guidance is not None:
        return f"- ({served.guidance:g} here)"
    return "-"


def _error_rows() -> list[tuple[int, str, str]]:
    return [(status, error.code, (error.__doc__ or "").strip()) for status, error in _ERRORS]
