"""What there is to say of every model, drawn from the catalog: facts for the pages, and the same as plain text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from fluxhouse.catalog.catalog import Catalog
from fluxhouse.catalog.model import Model
from fluxhouse.catalog.parameter import Parameter
from fluxhouse.generation import errors
from fluxhouse.generation.backend import Serving
from fluxhouse.generation.credits import MICRO, to_number
from fluxhouse.generation.moderation import Moderation
from fluxhouse.generation.request import Task

_JOB_ID = "job_0c22795e544041e192d3e5d967755d09"

_ERRORS: tuple[tuple[int, type[errors.PlatformError]], ...] = (
    (400, errors.InvalidParameter),
    (400, errors.UnsupportedParameter),
    (400, errors.InputImageRefused),
    (400, errors.LoraRefused),
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
    (503, errors.StorageUnavailable),
    (503, errors.DatabaseUnavailable),
)

_texts = Environment(
    loader=PackageLoader("fluxhouse.console"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)  # plain text: nothing to escape


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


@dataclass(frozen=True, slots=True)
class Shape:
    """An aspect ratio, its pixels, and a rectangle of them at 1:32 in the middle of a square of 48."""

    ratio: str
    width: int
    height: int

    @property
    def drawn(self) -> tuple[float, float, float, float]:
        """Left, top, width and height."""
        width, height = self.width / 32, self.height / 32
        return (48 - width) / 2, (48 - height) / 2, width, height

    @property
    def megapixels(self) -> str:
        return f"{self.width * self.height / 1_000_000:.2f}"


def llm_text(catalog: Catalog, public_url: str, serving: Mapping[str, Serving], usd_per_credit: Decimal) -> str:
    """The plain text of the whole API, for `/llm.txt`."""
    return _texts.get_template("llm.txt").render(overview(catalog, serving, usd_per_credit), public_url=public_url)


def llm_model_text(model: Model, serving: Mapping[str, Serving], public_url: str, usd_per_credit: Decimal) -> str:
    """The plain text of one model, for `/llm/{model}.txt`."""
    return _texts.get_template("llm_model.txt").render(
        facts(model, serving, public_url, usd_per_credit), public_url=public_url
    )


def overview(catalog: Catalog, serving: Mapping[str, Serving], usd_per_credit: Decimal) -> dict[str, Any]:
    """What a list of all models shows."""
    entries = [_entry(model, serving, usd_per_credit) for model in catalog.models]
    kinds = {facts.moderation for facts in serving.values()} or {Moderation.NONE}
    moderation = "differs by model, see the page of each." if len(kinds) > 1 else kinds.pop().sentence
    return {"entries": entries, "errors": _error_rows(), "moderation": moderation}


def _entry(model: Model, serving: Mapping[str, Serving], usd_per_credit: Decimal) -> dict[str, Any]:
    served = model.served_by(serving)
    return {
        "model": model,
        "credits": to_number(model.price_micro),
        "usd": _usd(model, usd_per_credit),
        "backend": served.backend if served is not None else None,
    }


def facts(model: Model, serving: Mapping[str, Serving], public_url: str, usd_per_credit: Decimal) -> dict[str, Any]:
    """What a page or text of one model shows."""
    served = model.served_by(serving)
    moderation = Moderation.NONE if served is None else served.moderation
    return _entry(model, serving, usd_per_credit) | {
        "tags": moderation.tags(model.tags),
        "moderation": moderation.sentence,
        "rows": [_row(parameter, served) for parameter in model.parameters],
        "members": [_entry(member, serving, usd_per_credit) for member in model.members],
        "shapes": [Shape(ratio, *size) for ratio, size in model.aspect_ratios.items()],
        "body": example_body(model),
        "takes_custom_size": model.parameter("width") is not None,
        "foreign_defaults": [_row(parameter, None) for parameter in model.foreign if parameter.default is not None],
        "errors": _error_rows(),
        "submitted": json.dumps(_submitted(model, public_url), indent=2),
        "completed": json.dumps(_completed(model, public_url), indent=2),
    }


def example_body(model: Model) -> dict[str, Any]:
    """A request that this model takes; its pictures stand for the caller's own."""
    pictures = {
        parameter.name: "https://example.com/photo.jpg" for parameter in model.parameters if _is_needed(parameter)
    }
    if "mask" in pictures:
        pictures["mask"] = "https://example.com/mask.png"
    if model.input_task is Task.EDIT:
        return {"prompt": "Make it night", "input_image": "https://example.com/photo.jpg", "seed": 7}
    if pictures:
        return {"prompt": "A red boat on the lake", **pictures, "seed": 7}
    return {"prompt": "A mountain lake at sunset, with a sailing boat", "aspect_ratio": "3:2", "seed": 7}


def _is_needed(parameter: Parameter) -> bool:
    return parameter.required and parameter.name != "prompt"


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
    own = own_default(parameter, served)
    return f"- ({own} here)" if own else "-"


def own_default(parameter: Parameter, served: Serving | None) -> str:
    """What the serving backend does where the contract prints no default; nothing where it says nothing either."""
    if served is not None and parameter.name == "num_inference_steps":
        return str(served.steps)
    if served is not None and parameter.name == "guidance_scale" and served.guidance is not None:
        return f"{served.guidance:g}"
    return ""


def _error_rows() -> list[tuple[int, str, str]]:
    return [(status, error.code, (error.__doc__ or "").strip()) for status, error in _ERRORS]
