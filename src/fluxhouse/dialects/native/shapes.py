"""The bodies of the native API as JSON Schema, shared by every path of its OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fluxhouse.generation.moderation import Moderation

Schema = dict[str, Any]

JOB_STATUSES = ("pending", "processing", "completed", "failed", "cancelled")
JOB_ID_PATTERN = "^job_[0-9a-f]{32}$"
WEBHOOK_SECRET_PATTERN = "^whsec_[A-Za-z0-9+/]{43}=$"
FILE_ID_PATTERN = "^file_[0-9a-f]{32}$"

_TIME: Schema = {"type": "string", "format": "date-time", "examples": ["2025-01-23T12:00:00Z"]}
_COUNT: Schema = {"type": "integer", "minimum": 0}


def reference(name: str) -> Schema:
    """A pointer to a component schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def _credits(description: str) -> Schema:
    return {"type": "number", "minimum": 0, "description": description, "examples": [1, 1.5]}


def closed(description: str, properties: Mapping[str, Schema], optional: Sequence[str] = ()) -> Schema:
    """An object with exactly these properties, all required but the `optional` ones, which are absent when unknown."""
    return {
        "type": "object",
        "description": description,
        "properties": dict(properties),
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def _time(description: str) -> Schema:
    return {**_TIME, "description": description}


def _text(description: str) -> Schema:
    return {"type": "string", "description": description}


_SUBMITTED = closed(
    "The job was accepted and is durable.",
    {
        "jobId": {"type": "string", "pattern": JOB_ID_PATTERN},
        "status": {"type": "string", "enum": ["pending"]},
        "statusUrl": {"type": "string", "format": "uri", "description": "Poll this address with GET."},
        "creditCost": _credits("Credits held for this job: images asked for times the model's price."),
        "creditsRemaining": _credits("Credits still available to the account after the hold."),
        "expiresAt": _time("When the job, if not started by then, and its output expire."),
    },
)

_ASSET = closed(
    "One finished image.",
    {
        "url": {"type": "string", "format": "uri"},
        "width": {"type": "integer", "minimum": 1, "description": "Pixels."},
        "height": {"type": "integer", "minimum": 1, "description": "Pixels."},
        "contentType": {"type": "string", "enum": ["image/png", "image/jpeg", "image/webp"]},
        "seed": {"type": "integer", "minimum": 0, "maximum": 2**32 - 1, "description": "This image's own seed."},
        "hasNsfwConcepts": {
            "type": "boolean",
            "description": "Whether moderation withheld it: a black picture stands in its place, and costs nothing.",
        },
    },
)

_PROGRESS = closed(
    "The newest step.",
    {
        "step": {"type": "integer", "minimum": 0, "description": "Steps done, counted from 1."},
        "steps": {"type": "integer", "minimum": 1, "description": "Steps of one image."},
        "image": {"type": "integer", "minimum": 0, "description": "The image's index, counted from 0."},
    },
)

_JOB_ERROR = closed(
    "Why the job failed. Failed jobs are not charged.",
    {
        "code": _text("A stable word for programs."),
        "message": _text("A sentence for people."),
        "retryable": {"type": "boolean", "description": "Whether the same request may succeed later."},
    },
)

_JOB = closed(
    "One job as it stands. What is not known yet is absent.",
    {
        "jobId": {"type": "string", "pattern": JOB_ID_PATTERN},
        "status": {"type": "string", "enum": list(JOB_STATUSES)},
        "model": _text("The model id the job was submitted to."),
        "servedBy": _text("The backend that made or makes the images."),
        "createdAt": _time("When the job was accepted."),
        "startedAt": _time("When a worker took it."),
        "completedAt": _time("When it ended, however it ended."),
        "expiresAt": _time("When the output expires."),
        "creditCost": _credits("Held while the job lives; what was really charged once it has ended."),
        "output": closed(
            "The images as addresses.", {"images": {"type": "array", "items": {"type": "string", "format": "uri"}}}
        ),
        "assets": {"type": "array", "items": reference("Asset"), "description": "The same images with their facts."},
        "seed": {"type": "integer", "minimum": 0, "maximum": 2**32 - 1, "description": "Seed of the first image."},
        "prompt": _text("The prompt again."),
        "queuePosition": {**_COUNT, "description": "Jobs ahead of this one, while it waits."},
        "outputExpired": {"type": "boolean", "enum": [True], "description": "The images expired or were deleted."},
        "progress": reference("Progress"),
        "timings": closed("Seconds.", {"inference": {"type": "number", "minimum": 0}}),
        "error": reference("JobError"),
    },
    optional=(
        *("servedBy", "startedAt", "completedAt", "output", "assets", "seed"),
        *("prompt", "queuePosition", "outputExpired", "progress", "timings", "error"),
    ),
)

_WEBHOOK_SECRET = closed(
    "What this account's webhooks are signed with, as https://www.standardwebhooks.com has it.",
    {
        "secret": {"type": "string", "pattern": WEBHOOK_SECRET_PATTERN, "description": "The newest secret."},
        "createdAt": _time("When it was made."),
        "previous": closed(
            "The secret before it, with which each message is signed too until it expires.",
            {"secret": {"type": "string", "pattern": WEBHOOK_SECRET_PATTERN}, "expiresAt": _time("Its end.")},
        ),
    },
    optional=("previous",),
)

_WEBHOOK_ATTEMPT = closed(
    "One attempt at a delivery.",
    {
        "number": {"type": "integer", "minimum": 1, "description": "Counted from 1."},
        "at": _time("When it began."),
        "milliseconds": {**_COUNT, "description": "How long it took."},
        "responseStatus": {"type": "integer", "description": "What the receiver answered, where it answered."},
        "error": _text("Why there was no answer."),
        "nextAttemptAt": _time("When the next attempt was planned."),
    },
    optional=("responseStatus", "error", "nextAttemptAt"),
)

_WEBHOOK_DELIVERY = closed(
    "How the delivery of a job's webhook stands.",
    {
        "jobId": {"type": "string", "pattern": JOB_ID_PATTERN},
        "messageId": _text("The header `webhook-id`, the same at every attempt and replay."),
        "url": {"type": "string", "format": "uri"},
        "status": {
            "type": "string",
            "enum": ["waiting", "pending", "delivered", "given_up"],
            "description": "Waiting for the job's end; pending an attempt; delivered; given up.",
        },
        "attempts": {
            "type": "array",
            "items": reference("WebhookAttempt"),
            "description": "The newest hundred, oldest first.",
        },
        "nextAttemptAt": _time("When the next attempt is due; while one is under way, the latest its end is known."),
    },
    optional=("nextAttemptAt",),
)

_WEBHOOK_MESSAGE = closed(
    "What is sent when a job has ended.",
    {
        "type": {"type": "string", "enum": ["job.completed", "job.failed", "job.cancelled"]},
        "timestamp": _time("When the job ended."),
        "data": reference("Job"),
    },
)

_JOB_LIST = closed(
    "Jobs of this account, newest first.",
    {
        "jobs": {"type": "array", "items": reference("Job")},
        "nextCursor": {
            "type": ["string", "null"],
            "description": "Give it as `cursor` for the next page; null on the last.",
        },
    },
)

_CREDIT_COST = closed(
    "The price of one image.",
    {
        "default": _credits("Credits per image."),
        "type": {"type": "string", "enum": ["fixed"], "description": "The same at every size."},
        "amount": _credits("Credits per image."),
    },
)

_MODEL_SUMMARY_PROPERTIES: Mapping[str, Schema] = {
    "apiId": _text("The id in the address."),
    "name": _text("The name for people."),
    "description": _text("One or two sentences."),
    "modality": {"type": "string", "enum": ["image", "video"]},
    "creditCost": reference("CreditCost"),
    "tags": {"type": "array", "items": {"type": "string"}},
    "available": {"type": "boolean", "description": "Whether a backend of this installation serves it now."},
    "servedBy": _text("The backend that serves it here."),
    "moderation": {
        "type": "string",
        "enum": [one.value for one in Moderation],
        "description": "Who looks at its pictures here: " + " ".join(f"`{one}`: {one.sentence}" for one in Moderation),
    },
}
_OF_SERVED = ("servedBy", "moderation")

_MODEL_LIST = closed(
    "The catalog.",
    {
        "models": {"type": "array", "items": reference("ModelSummary")},
        "total": _COUNT,
        "imageCount": _COUNT,
        "videoCount": _COUNT,
    },
)

_MODEL = closed(
    "One model with everything that can be asked of it.",
    {
        **_MODEL_SUMMARY_PROPERTIES,
        "requestSchema": {"type": "object", "description": "JSON Schema 2020-12 of the request body."},
        "aspectRatios": {"type": "array", "items": reference("AspectRatio")},
        "licence": reference("Licence"),
        "related": {"type": "array", "items": {"type": "string"}, "description": "Ids of related models."},
    },
    optional=_OF_SERVED,
)

_LICENCE = closed(
    "The licence of the checkpoint behind the model's name.",
    {
        "name": _text("The licence."),
        "url": {"type": "string", "format": "uri"},
        "checkpoint": _text("Where the published weights are; absent where none were published."),
        "gated": {"type": "boolean", "description": "Whether its terms must be accepted before the download."},
        "commercialUse": {
            "type": "boolean",
            "description": "Whether the weights may be run commercially as they come.",
        },
    },
    optional=("checkpoint",),
)

_ASPECT_RATIO = closed(
    "One ratio and its size in pixels.",
    {
        "ratio": _text("Width to height."),
        "width": {"type": "integer", "minimum": 16},
        "height": {"type": "integer", "minimum": 16},
    },
)

_QUOTE = closed(
    "What the request would cost; nothing is held.",
    {
        "model": _text("The model id asked."),
        "servingModel": _text("The family member that would make it."),
        "numOutputs": {"type": "integer", "minimum": 1},
        "creditsPerImage": _credits("Credits per image."),
        "creditCost": _credits("Credits of the whole request."),
        "usdCost": {"type": "number", "minimum": 0, "description": "The same in US dollars."},
        "creditsRemaining": _credits("Credits available to the account now."),
        "width": {"type": "integer", "minimum": 16, "description": "Pixels; absent where an input image decides."},
        "height": {"type": "integer", "minimum": 16, "description": "Pixels; absent where an input image decides."},
    },
    optional=("width", "height"),
)

_FILE = closed(
    "An uploaded picture, usable as an input image by its id.",
    {
        "fileId": {"type": "string", "pattern": FILE_ID_PATTERN},
        "contentType": _text("The type found in the bytes."),
        "width": {"type": "integer", "minimum": 1, "description": "Pixels."},
        "height": {"type": "integer", "minimum": 1, "description": "Pixels."},
        "sizeBytes": {"type": "integer", "minimum": 1},
        "createdAt": _time("When it was uploaded."),
        "expiresAt": _time("When it will be removed."),
    },
)

_FILE_DELETED = closed(
    "The file is gone.",
    {"fileId": {"type": "string", "pattern": FILE_ID_PATTERN}, "deleted": {"type": "boolean", "enum": [True]}},
)

_CREDITS = closed(
    "The account's prepaid credits.",
    {
        "balance": _credits("Everything the account owns."),
        "held": _credits("Set aside for jobs that have not ended."),
        "available": _credits("What a new job may cost at most: balance minus held."),
    },
)

_USAGE_COUNTS: Mapping[str, Schema] = {
    "requests": {**_COUNT, "description": "Submits, refused ones included."},
    "refused": {**_COUNT, "description": "Submits answered with an error."},
    "completed": _COUNT,
    "failed": _COUNT,
    "cancelled": _COUNT,
    "images": {**_COUNT, "description": "Images delivered."},
    "creditCost": _credits("Credits charged."),
}

_USAGE = closed(
    "What this account did, by day (UTC) and model, newest first.",
    {
        "since": {"type": "string", "format": "date"},
        "until": {"type": "string", "format": "date"},
        "entries": {"type": "array", "items": reference("UsageEntry")},
        "totals": reference("UsageTotals"),
    },
)

_ERROR = closed(
    "What went wrong.",
    {
        "error": closed(
            "The one error reported.",
            {
                "code": _text("A stable word for programs, such as `invalid_parameter`."),
                "message": _text("A sentence for people: what is wrong and what is allowed."),
                "status": {"type": "integer", "minimum": 400, "maximum": 599, "description": "The HTTP status again."},
                "field": _text("The parameter meant, where there is one."),
                "creditsRequired": _credits("With 402: what the request costs."),
                "creditsAvailable": _credits("With 402: what the account or key may still spend."),
            },
            optional=("field", "creditsRequired", "creditsAvailable"),
        )
    },
)


def component_schemas() -> dict[str, Schema]:
    """Every named body but the models' requests, which come from the catalog."""
    return {
        "Submitted": _SUBMITTED,
        "Job": _JOB,
        "JobList": _JOB_LIST,
        "JobError": _JOB_ERROR,
        "Asset": _ASSET,
        "Progress": _PROGRESS,
        "CreditCost": _CREDIT_COST,
        "ModelSummary": closed("One line of the catalog.", _MODEL_SUMMARY_PROPERTIES, _OF_SERVED),
        "ModelList": _MODEL_LIST,
        "Model": _MODEL,
        "ModelSchema": closed(
            "A model's request schema alone.",
            {"apiId": _text("The model's id."), "schema": {"type": "object", "description": "JSON Schema 2020-12."}},
        ),
        "Licence": _LICENCE,
        "AspectRatio": _ASPECT_RATIO,
        "Quote": _QUOTE,
        "File": _FILE,
        "FileDeleted": _FILE_DELETED,
        "Credits": _CREDITS,
        "Usage": _USAGE,
        "UsageEntry": closed(
            "One day of one model.",
            {
                "date": {"type": "string", "format": "date"},
                "model": _text("The model id."),
                **_USAGE_COUNTS,
            },
        ),
        "UsageTotals": closed("The sums over the period.", _USAGE_COUNTS),
        "WebhookSecret": _WEBHOOK_SECRET,
        "WebhookDelivery": _WEBHOOK_DELIVERY,
        "WebhookAttempt": _WEBHOOK_ATTEMPT,
        "WebhookMessage": _WEBHOOK_MESSAGE,
        "Health": closed("This process answers.", {"status": {"type": "string", "enum": ["ok", "ready"]}}),
        "Error": _ERROR,
    }
