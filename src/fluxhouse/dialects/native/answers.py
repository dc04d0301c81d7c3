"""How the native API answers, as OpenAPI: response objects with their headers, one error body for every failure."""

from __future__ import annotations

from typing import Any

from fluxhouse.dialects.native.shapes import JOB_ID_PATTERN, reference

Answer = dict[str, Any]

_FAILURES = {
    400: "The request is not valid; `field` names the parameter.",
    401: "The API key is missing, unknown, expired or revoked.",
    402: "Not enough credits, or the key's spend cap is reached.",
    403: "This key or account may not do that.",
    404: "There is no such model, job, file or LoRA, or it belongs to another account.",
    408: "The body did not come in time.",
    409: "It conflicts with the present state: not ended yet, ended already, or cancelled before there was a picture.",
    410: "The output or file has expired or was deleted.",
    413: "The body is larger than allowed, or the account has no room for a further file.",
    415: "The body is of a type that is not accepted here.",
    422: "This idempotency key was used with another request.",
    429: "Too many requests: retry after `Retry-After` seconds.",
    503: "No backend serves the model, or the database or the store does not answer, or this process is not ready.",
}


def _header(description: str, schema: dict[str, Any], *, required: bool = False) -> Answer:
    return {"description": description, "required": required, "schema": schema}


_COUNT = {"type": "integer", "minimum": 0}

HEADERS: dict[str, Answer] = {
    "X-Request-Id": _header("Names this request in the logs.", {"type": "string", "minLength": 1}, required=True),
    "RateLimit-Policy": _header("The rate limit of this key, as structured fields.", {"type": "string"}),
    "RateLimit": _header("What is left of the rate limit, as structured fields.", {"type": "string"}),
    "X-RateLimit-Limit": _header("Submits a minute for this key.", _COUNT),
    "X-RateLimit-Remaining": _header("Submits left now.", _COUNT),
    "X-RateLimit-Reset": _header("When the full number is left again, in Unix seconds.", _COUNT),
    "X-Job-Id": _header("The job that was made.", {"type": "string", "pattern": JOB_ID_PATTERN}),
    "Location": _header("With 202: where to poll.", {"type": "string", "format": "uri"}),
    "Preference-Applied": _header("The wait that was granted.", {"type": "string"}),
    "Retry-After": _header("Seconds to wait.", _COUNT),
    "Idempotent-Replayed": _header("`true` where this is the first submit's answer again.", {"enum": ["true"]}),
}

_SUBMIT = ("X-Job-Id", "Location", "Preference-Applied", "Idempotent-Replayed")
_RATE = ("RateLimit-Policy", "RateLimit", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")


KEYED = (400, 401, 403, 429, 503)
"""What every request with a key may be answered."""


def operation(name: str, tag: str, summary: str, answers: Answer, **more: Any) -> Answer:
    """One method of a path."""
    return {"operationId": name, "tags": [tag], "summary": summary, **more, "responses": answers}


def parameter(where: str, name: str, schema: Answer, description: str) -> Answer:
    """A value in the path, the query or a header."""
    return {"name": name, "in": where, "required": where == "path", "schema": schema, "description": description}


def success(description: str, schema: str, *, submit: bool = False) -> Answer:
    """A response whose body is the component `schema`; a submit's also tells the rate limit."""
    names = ("X-Request-Id", *_RATE, *_SUBMIT) if submit else ("X-Request-Id",)
    return _answer(description, schema, names)


def failures(*statuses: int) -> dict[str, Answer]:
    """The error responses of these statuses, in ascending order."""
    return {str(status): _failure(status) for status in sorted(statuses)}


def _failure(status: int) -> Answer:
    extra = {429: (*_RATE, "Retry-After"), 503: ("Retry-After",), 409: ("Retry-After",)}.get(status, ())
    return _answer(_FAILURES[status], "Error", ("X-Request-Id", *extra))


def _answer(description: str, schema: str, headers: tuple[str, ...]) -> Answer:
    return {
        "description": description,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers},
        "content": {"application/json": {"schema": reference(schema)}},
    }
