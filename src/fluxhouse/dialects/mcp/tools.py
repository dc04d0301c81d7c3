"""The tools as a language model sees them: names, descriptions, and the schemas drawn from the catalog."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fluxhouse.catalog.catalog import Catalog
from fluxhouse.catalog.model import Model
from fluxhouse.generation.backend import Serving
from fluxhouse.generation.errors import ModelUnavailable
from fluxhouse.generation.request import Task

Schema = dict[str, Any]

GENERATE, EDIT = "generate_image", "edit_image"
LIST, STATUS, CANCEL = "list_models", "job_status", "cancel_job"
WAIT, MOST_SECONDS, USUAL_SECONDS = "wait_seconds", 600, 50
"""Clients give a call up after a minute unless told otherwise; a job that takes longer goes on and can be asked for."""
IMAGE, MASK, REFERENCES = "image", "mask", "references"
_MOST_REFERENCES = 3  # beside the image itself

_OFFERED = (
    "prompt", "aspect_ratio", "width", "height", "megapixels", "num_outputs", "seed", "num_inference_steps",
    "guidance_scale", "negative_prompt", "true_cfg_scale", "prompt_upsampling", "prompt_strength", "safety_tolerance",
    "acceleration", "output_format", "output_quality", "hf_loras", "lora_scales", "customLoras", "lora_weights",
    "lora_scale",
)  # fmt: skip
MAKING = ("model", *_OFFERED, WAIT)
EDITING = (*MAKING, IMAGE, MASK, REFERENCES)
"""What the two tools take; a parameter that the catalog knows beside these is none of theirs."""
_PICTURE = "an https address, a data URI, or the id of an uploaded file (file_...)"


@dataclass(frozen=True, slots=True)
class ToolFace:
    """What a client is told of one tool; `reads` says that it changes nothing."""

    name: str
    title: str
    description: str
    schema: Schema
    reads: bool


def faces(catalog: Catalog, serving: Mapping[str, Serving]) -> list[ToolFace]:
    """Every tool of this installation; only models that somebody serves can be named."""
    served = [model for model in catalog.models if model.served_by(serving) is not None]
    makers = [model for model in served if model.input_task is not Task.FILL]
    editors = [model for model in served if model.input_task is not None]
    job = {"job_id": {"type": "string", "description": "The id that an earlier call gave."}}
    return [
        ToolFace(LIST, "List models", "Lists the image models here, what each costs and can do.", _object({}), True),
        ToolFace(
            GENERATE,
            "Generate images",
            "Makes images from a text prompt and returns them. Costs credits per image.",
            _object(_parameters(makers) | _waiting(), ["prompt"]),
            False,
        ),
        ToolFace(
            EDIT,
            "Edit an image",
            "Changes an image as the prompt says: by instruction with Kontext models, as a variation with the others, "
            "under a mask with Fill models. Costs credits per image.",
            _object(_parameters(editors) | _pictures() | _waiting(), ["prompt", IMAGE]),
            False,
        ),
        ToolFace(
            STATUS, "Job status", "Says how a job stands, and returns its images.", _object(job, ["job_id"]), True
        ),
        ToolFace(CANCEL, "Cancel a job", "Stops a job; nothing is charged.", _object(job, ["job_id"]), False),
    ]


def chosen(
    catalog: Catalog, serving: Mapping[str, Serving], task: Task, named: object, *, with_references: bool = False
) -> str:
    """The id of the model that a call names, or of the first here that does such a task, reading several pictures.

    Raises `ModelUnavailable` where nobody serves one.
    """
    if named is not None:
        return str(named)
    served = (model for model in catalog.models if model.served_by(serving) is not None)
    fit = (model for model in served if _does(model, task) and (not with_references or model.parameter("input_images")))
    found = next(fit, None)
    if found is None:
        raise ModelUnavailable
    return found.id


def _does(model: Model, task: Task) -> bool:
    if task is Task.GENERATE:
        return model.input_task is not Task.FILL
    return model.input_task is task and not model.members


def _object(properties: Schema, required: list[str] | None = None) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": required or [],
        "additionalProperties": False,
    }


def _parameters(models: list[Model]) -> Schema:
    """The parameters of any of the models, each as the first that has it describes it."""
    known: Schema = {"model": {"type": "string", "enum": [model.id for model in models], "description": "The model."}}
    for name in _OFFERED:
        having = (parameter for model in models if (parameter := model.parameter(name)) and parameter.supported)
        parameter = next(having, None)
        if parameter is not None:
            known[name] = parameter.schema()
    return known


def _pictures() -> Schema:
    return {
        IMAGE: {"type": "string", "description": f"The image to change: {_PICTURE}."},
        REFERENCES: {
            "type": "array",
            "items": {"type": "string"},
            "maxItems": _MOST_REFERENCES,
            "description": f"For Kontext models with open weights, further images for them to read, each {_PICTURE}.",
        },
        MASK: {"type": "string", "description": f"For Fill models, white where to repaint: {_PICTURE}."},
    }


def _waiting() -> Schema:
    words = "How long to wait for the images; a job that takes longer goes on and can be asked for by its id."
    return {
        WAIT: {"type": "integer", "minimum": 0, "maximum": MOST_SECONDS, "default": USUAL_SECONDS, "description": words}
    }
