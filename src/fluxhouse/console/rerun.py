"""A job once more: the body that would ask for the same, and the playground's address with it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from fluxhouse.catalog.catalog import Catalog
from fluxhouse.catalog.model import Model
from fluxhouse.catalog.parameter import Parameter
from fluxhouse.core.jobs import Job
from fluxhouse.generation.request import GenerationRequest, OutputFormat


def playground_address(catalog: Catalog, job: Job) -> str | None:
    """Where the playground opens with the job's parameters; None where its model is no longer offered.

    They stand behind `#`, which no browser sends: prompts stay out of logs. Pictures and LoRAs are not among them.
    """
    model = next((model for model in catalog.models if model.id == job.model), None)
    if model is None:
        return None
    return f"/playground/{quote(model.id)}#{urlencode(body_of(model, job.request), quote_via=quote)}"


def body_of(model: Model, request: GenerationRequest) -> dict[str, Any]:
    """What the model can be told of the request; what was left to a default stays out."""
    said = {
        "prompt": request.prompt,
        "model": request.model if model.members else None,
        "seed": request.seed,
        "num_outputs": request.count,
        "num_inference_steps": request.steps,
        "guidance_scale": request.guidance,
        "prompt_strength": request.strength,
        "output_format": request.format.value,
        "output_quality": None if request.format is OutputFormat.PNG else request.quality,
        "acceleration": request.acceleration.value,
        "safety_tolerance": request.tolerance,
        "negative_prompt": request.negative_prompt,
        "true_cfg_scale": request.true_guidance,
        **({} if request.inputs else _size(model, request)),
    }
    return {name: value for name, value in said.items() if value is not None and _is_news(model.parameter(name), value)}


def _is_news(parameter: Parameter | None, value: object) -> bool:
    """Whether the model knows the parameter, and would take another value without being told."""
    return parameter is not None and value != parameter.default


def _size(model: Model, request: GenerationRequest) -> dict[str, Any]:
    size = (request.width, request.height)
    ratio = next((ratio for ratio, pixels in model.aspect_ratios.items() if tuple(pixels) == size), None)
    if ratio is not None:
        return {"aspect_ratio": ratio}
    return {"width": request.width, "height": request.height}
