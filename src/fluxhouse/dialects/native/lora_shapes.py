"""LoRAs in the OpenAPI document: their paths and bodies."""

from __future__ import annotations

from fluxhouse.dialects.native.answers import KEYED, failures, operation, parameter, success
from fluxhouse.dialects.native.shapes import Schema, closed, reference

LORA_ID_PATTERN = "^lora_[0-9a-f]{32}$"

_ID: Schema = {"type": "string", "pattern": LORA_ID_PATTERN}
_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 100, "description": "What its owner calls it."}
_BINARY: Schema = {"type": "string", "format": "binary"}

_LORA = closed(
    "A LoRA that requests of this account may name by its id.",
    {
        "loraId": _ID,
        "name": _NAME,
        "format": {"type": "string", "enum": ["peft", "kohya", "xlabs", "bfl"], "description": "Who spells it so."},
        "sizeBytes": {"type": "integer", "minimum": 1},
        "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "Of the file."},
        "ignoredTensors": {
            "type": "integer",
            "minimum": 0,
            "description": "Tensors for the text encoders, to which LoRAs are not applied here.",
        },
        "createdAt": {"type": "string", "format": "date-time", "description": "When it was registered."},
        "source": {"type": "string", "description": "Where it was fetched from; absent where it was uploaded."},
        "trigger": {"type": "string", "description": "The words that a prompt needs for it, where its file says any."},
    },
    optional=("source", "trigger"),
)


def lora_schemas() -> dict[str, Schema]:
    """Component schemas by name."""
    return {
        "Lora": _LORA,
        "LoraList": closed("An account's LoRAs.", {"loras": {"type": "array", "items": reference("Lora")}}),
        "LoraDeleted": closed("The LoRA is gone.", {"loraId": _ID, "deleted": {"type": "boolean", "enum": [True]}}),
    }


def lora_paths() -> Schema:
    """Path items by path."""
    lora_id = parameter("path", "loraId", _ID, "A registered LoRA's id.")
    return {
        "/api/v1/loras": {
            "post": _register(),
            "get": operation(
                "list-loras",
                "loras",
                "List LoRAs, newest first",
                {"200": success("All of them.", "LoraList"), **failures(*KEYED)},
            ),
        },
        "/api/v1/loras/{loraId}": {
            "get": operation(
                "get-lora",
                "loras",
                "A LoRA's facts",
                {"200": success("The LoRA.", "Lora"), **failures(*KEYED, 404)},
                parameters=[lora_id],
            ),
            "delete": operation(
                "delete-lora",
                "loras",
                "Forget a LoRA; jobs that were taken in with it are made all the same",
                {"200": success("Forgotten.", "LoraDeleted"), **failures(*KEYED, 404)},
                parameters=[lora_id],
            ),
        },
    }


def _register() -> Schema:
    place = {"type": "string", "minLength": 1, "maxLength": 2000, "description": "As in `hf_lora`, but no id."}
    by_place: Schema = {
        "type": "object",
        "properties": {"url": place, "name": {**_NAME, "type": ["string", "null"]}},
        "required": ["url"],
        "additionalProperties": False,
    }
    form: Schema = {
        "type": "object",
        "properties": {"file": _BINARY, "name": _NAME},
        "required": ["file"],
        "additionalProperties": False,
    }
    content = {
        "application/json": {"schema": by_place, "example": {"url": "owner/name", "name": "my style"}},
        "multipart/form-data": {"schema": form},
        "application/octet-stream": {"schema": _BINARY},
    }
    name = parameter("query", "name", _NAME, "Its name, where the body is the file itself; needed then.")
    return operation(
        "register-lora",
        "loras",
        "Keep a LoRA for use by id: from a hub or an address, or as a file",
        {"200": success("Kept.", "Lora"), **failures(*KEYED, 402, 408, 413, 415)},
        parameters=[name],
        requestBody={"required": True, "content": content},
    )
