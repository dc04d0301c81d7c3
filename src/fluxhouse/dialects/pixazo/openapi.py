"""The OpenAPI 3.1 document of this dialect, built from its own parameters, words and errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fluxhouse import __version__
from fluxhouse.dialects.pixazo.answers import ERRORS, REQUEST_ID_PATTERN
from fluxhouse.dialects.pixazo.operations import WEBHOOK_HEADER, Operation

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_MOMENT: Schema = {"type": "string", "format": "date-time"}
_ADDRESS: Schema = {"type": "string", "format": "uri"}
_IMAGE_TYPE: Schema = {"enum": ["image/jpeg", "image/png"]}
_REQUEST_ID: Schema = {"type": "string", "pattern": f"^{REQUEST_ID_PATTERN}$", "description": "The id of a submit."}
_RATE = ("RateLimit", "RateLimit-Policy", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
_IDEMPOTENCY_KEY: Schema = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "description": "Makes a repeated submit answer what the first one answered, for 24 hours.",
}
_WEBHOOK: Schema = {
    "name": WEBHOOK_HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "format": "uri", "maxLength": 2000, "pattern": "^https?://[!-~]+$"},
    "description": "An https URL. When the request has ended, its status is sent there with POST, signed.",
}
_SECURITY_SCHEME: Schema = {"type": "apiKey", "in": "header", "name": "Ocp-Apim-Subscription-Key"}


def openapi(operations: Sequence[Operation], result_path: str, status_path: str, public_url: str) -> Schema:
    """The document for this installation: the submit operations, and the polls of both generations."""
    paths = {operation.path: {"post": _submit(operation)} for operation in operations}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Fluxhouse: Pixazo's Flux Dev", "version": __version__},
        "servers": [{"url": public_url}],
        "security": [{"key": []}],
        "paths": {**paths, result_path: {"post": _result()}, status_path: {"get": _status()}},
        "components": {"securitySchemes": {"key": _SECURITY_SCHEME}},
    }


def _submit(operation: Operation) -> Schema:
    body: Schema = {
        "type": "object",
        "properties": {parameter.name: parameter.schema() for parameter in operation.parameters},
        "required": [parameter.name for parameter in operation.parameters if parameter.required],
        "additionalProperties": False,
    }
    submitted = _closed({"request_id": _REQUEST_ID, "status": {"const": "QUEUED"}, "polling_url": _ADDRESS})
    answers = {
        "200": _answer("Accepted and durable.", submitted, _RATE),
        **_failures(400, 402, 408, 413, 422, 429, 503),
    }
    return {
        "operationId": operation.name,
        "parameters": [_IDEMPOTENCY_KEY, _WEBHOOK],
        "requestBody": _json(body),
        "responses": answers | _failures(401, 403),
    }


def _result() -> Schema:
    names = ("request_id", "requestId")
    named = [{"required": [name], "properties": {name: _TEXT}} for name in names]
    id_text: Schema = {"type": ["string", "null"], "maxLength": 100}
    body: Schema = {
        "type": "object",
        "properties": dict.fromkeys(names, id_text),
        "anyOf": named,
        "additionalProperties": False,
        "description": "The id under either name, or the same id under both.",
    }
    standing: Schema = {"request_id": _TEXT, "status": {"enum": ["QUEUED", "PROCESSING", "FAILED"]}}
    failure: Schema = {"error": _TEXT, "error_type": _TEXT, "retryable": {"type": "boolean"}}
    images = _images()
    unfinished = _closed(standing | failure | images, optional=(*failure, *images))
    answer = _answer("How the request stands, or its result.", {"oneOf": [_closed(images), unfinished]})
    return {
        "operationId": "getFluxDevStatus",
        "security": [{}, {"key": []}],
        "requestBody": _json(body),
        "responses": {"200": answer, **_failures(400, 401, 403, 404, 408, 410, 413)},
    }


def _status() -> Schema:
    output = _closed({"media_url": {"type": "array", "items": _ADDRESS}, "media_type": _IMAGE_TYPE})
    envelope = _closed(
        {
            "request_id": _TEXT,
            "status": {"enum": ["QUEUED", "PROCESSING", "COMPLETED", "FAILED"]},
            "model_id": _TEXT,
            "error": {"type": ["string", "null"]},
            "output": {"oneOf": [output, {"type": "null"}]},
            "created_at": _MOMENT,
            "updated_at": _MOMENT,
            "completed_at": {"oneOf": [_MOMENT, {"type": "null"}]},
        }
    )
    return {
        "operationId": "getRequestStatus",
        "parameters": [{"name": "job", "in": "path", "required": True, "schema": _REQUEST_ID}],
        "responses": {"200": _answer("How the request stands.", envelope), **_failures(400, 401, 403, 404, 410)},
    }


def _images() -> Schema:
    size: Schema = {"type": "integer", "minimum": 1, "description": "Pixels."}
    image = _closed({"url": _ADDRESS, "width": size, "height": size, "content_type": _IMAGE_TYPE})
    return {
        "images": {"type": "array", "items": image, "minItems": 1},
        "timings": _closed({"inference": {"type": "number", "minimum": 0, "description": "Seconds."}}),
        "seed": {"type": "integer", "minimum": 0, "maximum": 2**32 - 1, "description": "Seed of the first image."},
        "has_nsfw_concepts": {"type": "array", "items": {"type": "boolean"}},
        "prompt": _TEXT,
    }


def _failures(*statuses: int) -> dict[str, Schema]:
    """The error responses of these statuses, each with the words it may have."""
    answers: dict[str, Schema] = {}
    for status in statuses:
        words = sorted({said for number, said in ERRORS.values() if number == status})
        body = _closed({"error": {"enum": words}, "message": _TEXT, "field": _TEXT}, optional=("message", "field"))
        answers[str(status)] = _answer(" / ".join(words), body, ("Retry-After",) if status == 429 else ())
    return answers


def _answer(description: str, schema: Schema, headers: Sequence[str] = ()) -> Schema:
    shown = {name: {"schema": _TEXT} for name in headers}
    return {"description": f"{description}", "headers": shown, "content": _content(schema)}


def _json(schema: Schema) -> Schema:
    return {"required": True, "content": _content(schema)}


def _content(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def _closed(properties: Mapping[str, Schema], optional: Sequence[str] = ()) -> Schema:
    """An object with exactly these properties, all required but the `optional` ones."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }
