"""The OpenAPI 3.1 document of the native API, built from the catalog: every path, status, header and body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fluxhouse import __version__
from fluxhouse.catalog.catalog import Catalog
from fluxhouse.catalog.model import Model
from fluxhouse.dialects.native.answers import HEADERS, KEYED, failures, operation, parameter, success
from fluxhouse.dialects.native.lora_shapes import lora_paths, lora_schemas
from fluxhouse.dialects.native.shapes import FILE_ID_PATTERN, JOB_ID_PATTERN, JOB_STATUSES, component_schemas, reference
from fluxhouse.generation.backend import Serving

Schema = dict[str, Any]

_IMAGE_TYPES = ("image/png", "image/jpeg", "image/webp")
_PUBLIC = (400, 404)


def openapi(catalog: Catalog, public_url: str, serving: Mapping[str, Serving]) -> dict[str, Any]:
    """The document for this installation; `serving` says which models have a backend, others answer 503.

    A model of which no request can be accepted yet has no path.
    """
    available = [model for model in catalog.models if model.available]
    paths: dict[str, Any] = {}
    for model in available:
        paths[f"/api/v1/models/{model.id}/run"] = {"post": _run(model, model.served_by(serving))}
        paths[f"/api/v1/models/{model.id}/quote"] = {"post": _quote(model)}
    requests = {_request_name(model): _request_schema(model) for model in available}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Fluxhouse",
            "version": __version__,
            "summary": "FLUX images by request: submit a job, poll it, fetch the pictures.",
        },
        "servers": [{"url": public_url}],
        "security": [{"bearer": []}],
        "tags": [{"name": name} for name in ("models", "jobs", "files", "loras", "webhooks", "account", "health")],
        "paths": paths | _model_paths([model.id for model in catalog.models]) | _job_paths() | _other_paths(),
        "webhooks": {"job-ended": {"post": _webhook_message()}},
        "components": {
            "schemas": component_schemas() | lora_schemas() | requests,
            "headers": HEADERS,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": "Your API key."}},
        },
    }


def _request_name(model: Model) -> str:
    return f"Request-{model.id}"


def _request_schema(model: Model) -> Schema:
    schema = model.schema(all_rules=False)
    return {keyword: value for keyword, value in schema.items() if keyword != "$schema"}


def _request_body(model: Model) -> Schema:
    example = {"prompt": "A beautiful mountain landscape at golden hour", "aspect_ratio": "1:1"}
    content = {"application/json": {"schema": reference(_request_name(model)), "example": example}}
    return {"required": True, "content": content}


_IDEMPOTENCY_KEY = parameter(
    "header",
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "Makes a repeated submit answer what the first one answered, for 24 hours. With it a client that waits may lose "
    "its connection and ask again: its job goes on.",
)
_PREFER = parameter(
    "header",
    "Prefer",
    {"type": "string"},
    "`wait=60` waits up to that many seconds and answers 200 with the finished job; any other preference is ignored. "
    "Hanging up meanwhile cancels the job, unless an `Idempotency-Key` was sent.",
)


def _run(model: Model, served: Serving | None) -> Schema:
    pictures = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in _IMAGE_TYPES}
    finished = success("The finished job, or with `Accept: image/*` the first picture itself.", "Job", submit=True)
    finished["content"].update(pictures)
    answers = {
        "200": finished,
        "202": success("Accepted.", "Submitted", submit=True),
        **failures(*KEYED, 402, 404, 408, 409, 410, 413, 415, 422),
    }
    unserved = " No backend of this installation serves it now: it answers 503."
    here = unserved if served is None else f" Moderation: {served.moderation.sentence}"
    return operation(
        f"run-{model.id}",
        "models",
        f"Make pictures with {model.name}",
        answers,
        description=model.description + here,
        parameters=[_IDEMPOTENCY_KEY, _PREFER],
        requestBody=_request_body(model),
    )


def _quote(model: Model) -> Schema:
    return operation(
        f"quote-{model.id}",
        "models",
        f"Ask what a request to {model.name} would cost",
        {"200": success("The price; nothing is held.", "Quote"), **failures(*KEYED, 404, 408, 413, 415)},
        requestBody=_request_body(model),
    )


def _model_paths(ids: list[str]) -> Schema:
    model_id = parameter("path", "model", {"type": "string", "enum": ids}, "A model's id.")
    detailed = parameter(
        "query", "detailed", {"type": "boolean"}, "Accepted for compatibility: every entry is complete either way."
    )
    modality = parameter("query", "modality", {"type": "string", "enum": ["image", "video"]}, "Only models of it.")
    return {
        "/api/v1/models": {
            "get": operation(
                "list-models",
                "models",
                "List the catalog",
                {"200": success("Every model.", "ModelList"), **failures(400)},
                security=[],
                parameters=[detailed, modality],
            )
        },
        "/api/v1/models/{model}": {
            "get": operation(
                "get-model",
                "models",
                "One model with its request schema",
                {"200": success("The model.", "Model"), **failures(*_PUBLIC)},
                security=[],
                parameters=[model_id],
            )
        },
        "/api/v1/models/{model}/schema": {
            "get": operation(
                "get-model-schema",
                "models",
                "The JSON Schema of a model's request body",
                {"200": success("The schema.", "ModelSchema"), **failures(*_PUBLIC)},
                security=[],
                parameters=[model_id],
            )
        },
    }


def _job_paths() -> Schema:
    job_id = parameter("path", "jobId", {"type": "string", "pattern": JOB_ID_PATTERN}, "A job's id.")
    last_event = parameter(
        "header", "Last-Event-ID", {"type": "string", "pattern": "^[0-9]{1,18}$"}, "Resume after this event."
    )
    return {
        "/api/v1/jobs": {"get": _job_list()},
        "/api/v1/jobs/{jobId}": {
            "get": operation(
                "get-job",
                "jobs",
                "One job as it stands",
                {"200": success("The job.", "Job"), **failures(*KEYED, 404)},
                parameters=[job_id],
            ),
            "delete": _job_cancel(job_id),
        },
        "/api/v1/jobs/{jobId}/output": {
            "delete": operation(
                "delete-output",
                "jobs",
                "Delete the pictures of an ended job before they expire",
                {"200": success("The job, without its pictures.", "Job"), **failures(*KEYED, 404, 409, 410)},
                parameters=[job_id],
            )
        },
        "/api/v1/jobs/{jobId}/events": {
            "get": operation(
                "stream-job",
                "jobs",
                "Follow a job as server-sent events: status, step, preview, image; the last is status",
                _stream_answers(),
                parameters=[job_id, last_event],
            )
        },
    }


def _job_cancel(job_id: Schema) -> Schema:
    return operation(
        "cancel-job",
        "jobs",
        "Cancel a job; images not delivered are not charged",
        {
            "200": success("Cancelled, or, where it runs, ending within one step.", "Job"),
            **failures(*KEYED, 404, 409),
        },
        parameters=[job_id],
    )


def _stream_answers() -> Schema:
    headers = success("", "Job")["headers"]
    seen = "It has ended and `Last-Event-ID` is its last event: come no more."
    return {
        "200": {
            "description": "Events.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
            "headers": headers,
        },
        "204": {"description": seen, "headers": headers},
        **failures(*KEYED, 404),
    }


def _job_list() -> Schema:
    parameters = [
        parameter("query", "limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}, "Jobs a page."),
        parameter("query", "cursor", {"type": "string", "minLength": 1, "maxLength": 200}, "The last `nextCursor`."),
        parameter("query", "status", {"type": "string", "enum": list(JOB_STATUSES)}, "Only jobs in this status."),
        parameter("query", "model", {"type": "string"}, "Only jobs submitted to this model."),
    ]
    answers = {"200": success("One page.", "JobList"), **failures(*KEYED)}
    return operation("list-jobs", "jobs", "List jobs, newest first", answers, parameters=parameters)


def _other_paths() -> Schema:
    days = parameter(
        "query",
        "days",
        {"type": "integer", "minimum": 1, "maximum": 366, "default": 30},
        "How many days, where `from` is not given.",
    )
    day = {"type": "string", "format": "date"}
    period = [days, parameter("query", "from", day, "First day."), parameter("query", "to", day, "Last day.")]
    usage = {"200": success("The usage.", "Usage"), **failures(*KEYED)}
    ready = {"200": success("It can take jobs.", "Health"), **failures(503)}
    return {
        **_file_paths(),
        **lora_paths(),
        **_webhook_paths(),
        "/api/v1/credits": {
            "get": operation(
                "get-credits", "account", "Credits", {"200": success("Now.", "Credits"), **failures(*KEYED)}
            )
        },
        "/api/v1/usage": {"get": operation("get-usage", "account", "Usage by day", usage, parameters=period)},
        "/healthz": {
            "get": operation(
                "get-health", "health", "Alive", {"200": success("This process answers.", "Health")}, security=[]
            )
        },
        "/readyz": {"get": operation("get-readiness", "health", "Ready for jobs", ready, security=[])},
    }


def _webhook_paths() -> Schema:
    job_id = parameter("path", "jobId", {"type": "string", "pattern": JOB_ID_PATTERN}, "A job's id.")
    return {
        "/api/v1/jobs/{jobId}/webhook": {
            "get": operation(
                "get-webhook",
                "webhooks",
                "The delivery log of a job's webhook",
                {"200": success("The delivery.", "WebhookDelivery"), **failures(*KEYED, 404)},
                parameters=[job_id],
            )
        },
        "/api/v1/jobs/{jobId}/webhook/replay": {
            "post": operation(
                "replay-webhook",
                "webhooks",
                "Send the webhook of an ended job once more",
                {"202": success("Due at once.", "WebhookDelivery"), **failures(*KEYED, 404, 409)},
                parameters=[job_id],
            )
        },
        "/api/v1/webhooks/secret": {
            "get": operation(
                "get-webhook-secret",
                "webhooks",
                "What this account's webhooks are signed with",
                {"200": success("The secret.", "WebhookSecret"), **failures(*KEYED)},
            )
        },
        "/api/v1/webhooks/secret/rotate": {
            "post": operation(
                "rotate-webhook-secret",
                "webhooks",
                "Make a new secret; the old one stays valid beside it for a day",
                {"200": success("Both.", "WebhookSecret"), **failures(*KEYED)},
            )
        },
    }


def _webhook_message() -> Schema:
    """What this installation sends, as the receiver has to answer it."""
    names = {
        "webhook-id": "The same at every attempt: by it a receiver tells a repeat.",
        "webhook-timestamp": "Unix seconds of this attempt.",
        "webhook-signature": "`v1,` and base64, for each valid secret, separated by spaces.",
    }
    headers = [parameter("header", name, {"type": "string"}, text) | {"required": True} for name, text in names.items()]
    content = {"application/json": {"schema": reference("WebhookMessage")}}
    taken = {"2XX": {"description": "Any success within 15 seconds; everything else is sent again later."}}
    return {
        "operationId": "job-ended",
        "tags": ["webhooks"],
        "summary": "Sent to `webhook_url` when a job has ended",
        "security": [],
        "parameters": headers,
        "requestBody": {"required": True, "content": content},
        "responses": taken,
    }


def _file_paths() -> Schema:
    binary = {"type": "string", "format": "binary"}
    form = {"type": "object", "properties": {"file": binary}, "required": ["file"], "additionalProperties": False}
    content = {"multipart/form-data": {"schema": form}} | {kind: {"schema": binary} for kind in _IMAGE_TYPES}
    file_id = parameter("path", "fileId", {"type": "string", "pattern": FILE_ID_PATTERN}, "An uploaded file's id.")
    return {
        "/api/v1/files": {
            "post": operation(
                "upload-file",
                "files",
                "Upload a picture for use as an input image",
                {"200": success("Stored.", "File"), **failures(*KEYED, 408, 413, 415)},
                requestBody={"required": True, "content": content},
            )
        },
        "/api/v1/files/{fileId}": {
            "get": operation(
                "get-file",
                "files",
                "An uploaded picture's facts",
                {"200": success("The file.", "File"), **failures(*KEYED, 404, 410)},
                parameters=[file_id],
            ),
            "delete": operation(
                "delete-file",
                "files",
                "Remove an uploaded picture",
                {"200": success("Removed.", "FileDeleted"), **failures(*KEYED, 404, 410)},
                parameters=[file_id],
            ),
        },
    }
