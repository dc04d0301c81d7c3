"""From the API's bodies to values: what is known is read, what a newer server adds is passed over."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar

from fluxhouse.client.errors import ServerError
from fluxhouse.client.facts import Credits, File, JobError, Licence, Lora, Model, Progress, Quote, UsageDay

T = TypeVar("T")
Body = Mapping[str, Any]


def understood(read: Callable[[Body], T], content: str | bytes) -> T:
    """What `read` makes of a JSON object; raises `ServerError` where it is none, or lacks what it must have."""
    try:
        return read(json.loads(content, parse_float=Decimal))
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError) as error:
        message = f"The answer is not one of this API: {type(error).__name__} {error}"
        raise ServerError("unexpected_answer", message) from error


def job_fields(body: Body) -> dict[str, Any]:
    """The fields of a job, but for its images."""
    progress, error = body.get("progress"), body.get("error")
    seconds = body.get("timings", {}).get("inference")
    return {
        "id": str(body["jobId"]),
        "status": str(body["status"]),
        "model": body.get("model"),
        "served_by": body.get("servedBy"),
        "prompt": body.get("prompt"),
        "seed": body.get("seed"),
        "credit_cost": _credits(body, "creditCost"),
        "credits_remaining": _credits(body, "creditsRemaining"),
        "created_at": _time(body, "createdAt"),
        "started_at": _time(body, "startedAt"),
        "completed_at": _time(body, "completedAt"),
        "expires_at": _time(body, "expiresAt"),
        "queue_position": body.get("queuePosition"),
        "progress": None if progress is None else Progress(progress["image"], progress["step"], progress["steps"]),
        "inference_seconds": None if seconds is None else float(seconds),
        "output_expired": body.get("outputExpired") is True,
        "error": None if error is None else JobError(error["code"], error["message"], bool(error.get("retryable"))),
    }


def image_fields(body: Body) -> list[dict[str, Any]]:
    """The fields of each image of a job; where only addresses came, those alone."""
    assets = body.get("assets")
    if assets is None:
        return [{"url": url} for url in body.get("output", {}).get("images", ())]
    return [
        {
            "url": str(asset["url"]),
            "width": asset.get("width"),
            "height": asset.get("height"),
            "content_type": asset.get("contentType"),
            "seed": asset.get("seed"),
            "has_nsfw_concepts": asset.get("hasNsfwConcepts") is True,
        }
        for asset in assets
    ]


def file_of(body: Body) -> File:
    """An uploaded file."""
    return File(
        id=body["fileId"],
        content_type=body["contentType"],
        width=body["width"],
        height=body["height"],
        size_bytes=body["sizeBytes"],
        created_at=datetime.fromisoformat(body["createdAt"]),
        expires_at=datetime.fromisoformat(body["expiresAt"]),
    )


def lora_of(body: Body) -> Lora:
    """A registered LoRA."""
    return Lora(
        id=body["loraId"],
        name=body["name"],
        format=body["format"],
        size_bytes=body["sizeBytes"],
        sha256=body["sha256"],
        ignored_tensors=body["ignoredTensors"],
        created_at=datetime.fromisoformat(body["createdAt"]),
        source=body.get("source"),
        trigger=body.get("trigger"),
    )


def loras_of(body: Body) -> tuple[Lora, ...]:
    """The account's LoRAs."""
    return tuple(lora_of(entry) for entry in body["loras"])


def model_of(body: Body) -> Model:
    """A model, from a line of the list or from its own page."""
    licence = body.get("licence")
    return Model(
        id=body["apiId"],
        name=body["name"],
        description=body["description"],
        modality=body["modality"],
        credits_per_image=Decimal(body["creditCost"]["default"]),
        tags=tuple(body["tags"]),
        available=body["available"] is True,
        served_by=body.get("servedBy"),
        request_schema=body.get("requestSchema", {}),
        aspect_ratios={entry["ratio"]: (entry["width"], entry["height"]) for entry in body.get("aspectRatios", ())},
        licence=None if licence is None else _licence_of(licence),
        related=tuple(body.get("related", ())),
    )


def models_of(body: Body) -> tuple[Model, ...]:
    """The catalog."""
    return tuple(model_of(entry) for entry in body["models"])


def quote_of(body: Body) -> Quote:
    """What a request would cost."""
    return Quote(
        model=body["model"],
        serving_model=body["servingModel"],
        num_outputs=body["numOutputs"],
        credits_per_image=Decimal(body["creditsPerImage"]),
        credit_cost=Decimal(body["creditCost"]),
        usd_cost=Decimal(body["usdCost"]),
        credits_remaining=Decimal(body["creditsRemaining"]),
        width=body.get("width"),
        height=body.get("height"),
    )


def credits_of(body: Body) -> Credits:
    """The account's credits."""
    return Credits(Decimal(body["balance"]), Decimal(body["held"]), Decimal(body["available"]))


def usage_of(body: Body) -> tuple[UsageDay, ...]:
    """The account's usage, newest day first."""
    counts = ("requests", "refused", "completed", "failed", "cancelled", "images")
    return tuple(
        UsageDay(
            date=date.fromisoformat(entry["date"]),
            model=entry["model"],
            credit_cost=Decimal(entry["creditCost"]),
            **{name: int(entry[name]) for name in counts},
        )
        for entry in body["entries"]
    )


def _licence_of(body: Body) -> Licence:
    return Licence(
        name=body["name"],
        url=body["url"],
        checkpoint=body.get("checkpoint"),
        gated=body.get("gated") is True,
        commercial_use=body.get("commercialUse") is True,
    )


def _credits(body: Body, name: str) -> Decimal | None:
    value = body.get(name)
    return None if value is None else Decimal(value)


def _time(body: Body, name: str) -> datetime | None:
    text = body.get(name)
    return None if text is None else datetime.fromisoformat(text)
