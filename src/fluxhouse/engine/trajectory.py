"""One image on its way from noise to picture, described without tensors, and how a request becomes such ways."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path

from fluxhouse.engine.options import ModelWeights
from fluxhouse.generation.errors import InputImageRefused, InvalidParameter
from fluxhouse.generation.request import GenerationRequest, Task

DEFAULT_STRENGTH = 0.8
_PREVIEW_SHARE = 0.7
_PREVIEWS = 4
_MAX_STEPS = 1000
_MAX_TRUE_GUIDANCE = 100.0
_MAX_SCALE = 100.0


@dataclass(slots=True, eq=False)
class Trajectory:
    """Image `index` of request `number`.

    `canvas_width` and `canvas_height` are the request's size rounded up to the model's grid. Of a schedule of
    `schedule_steps` sigmas the steps from `first` on are made. `lengths` are the tokens of its segments, of which true
    guidance takes two. What shares a `lane`, the same weights at the same level, can share a forward.
    """

    number: int
    index: int
    request: GenerationRequest
    inputs: tuple[Path, ...]
    canvas_width: int
    canvas_height: int
    schedule_steps: int
    first: int
    guidance: float | None
    lengths: tuple[int, ...]
    lane: Hashable
    step: int = 0
    seconds: float = 0.0
    begun: bool = False

    @property
    def steps(self) -> int:
        """How many steps it makes in all."""
        return self.schedule_steps - self.first

    @property
    def seed(self) -> int:
        return self.request.image_seed(self.index)

    @property
    def tokens(self) -> int:
        """What one of its steps computes."""
        return sum(self.lengths)

    @property
    def pictures(self) -> tuple[Path, ...]:
        return self.inputs[: len(self.inputs) - len(self.request.loras)]

    @property
    def adapters(self) -> tuple[tuple[Path, float], ...]:
        """The files of its LoRAs with their scales."""
        files = self.inputs[len(self.inputs) - len(self.request.loras) :]
        return tuple((path, lora.scale) for path, lora in zip(files, self.request.loras, strict=True))

    @property
    def finished(self) -> bool:
        return self.step >= self.steps


def preview_due(step: int, steps: int) -> bool:
    """Whether a preview follows `step` (from 1) of `steps`: a few in all, none after 70 % of them."""
    return step % max(2, steps // _PREVIEWS) == 0 and step <= steps * _PREVIEW_SHARE


def check(request: GenerationRequest, inputs: tuple[Path, ...], max_pixels: int) -> None:
    """Refuse what this engine cannot make, by the name of the field. Raises RequestRejected."""
    pictures = len(inputs) - len(request.loras)
    if request.task is Task.FILL and pictures != 2:
        raise InputImageRefused(f"Repainting takes a picture and a mask, not {pictures} pictures.", field="inputs")
    if request.task is Task.VARY and pictures != 1:
        raise InputImageRefused(f"Image to image takes exactly one input image, not {pictures}.", field="inputs")
    if request.task is Task.EDIT and pictures < 1:
        raise InputImageRefused("Editing takes at least one input image.", field="inputs")
    for field in ("width", "height", "count"):
        if getattr(request, field) < 1:
            raise InvalidParameter(f"{field} is at least 1.", field=field)
    if request.width * request.height > max_pixels:
        raise InvalidParameter(f"width times height is at most {max_pixels} pixels.", field="width")
    if request.steps is not None and not 1 <= request.steps <= _MAX_STEPS:
        raise InvalidParameter(f"steps is between 1 and {_MAX_STEPS}.", field="steps")
    if request.strength is not None and not 0.0 < request.strength <= 1.0:
        raise InvalidParameter("strength is above 0 and at most 1.", field="strength")
    if request.true_guidance is not None and not 0.0 <= request.true_guidance <= _MAX_TRUE_GUIDANCE:
        raise InvalidParameter(f"true_guidance is between 0 and {_MAX_TRUE_GUIDANCE}.", field="true_guidance")
    if not 0.0 < request.share < float("inf"):
        raise InvalidParameter("share is above 0.", field="share")
    for lora in request.loras:
        if not -_MAX_SCALE <= lora.scale <= _MAX_SCALE:
            raise InvalidParameter(f"A LoRA's scale is between -{_MAX_SCALE} and {_MAX_SCALE}.", field="loras")


def truly_guided(request: GenerationRequest) -> bool:
    """Whether each step takes the negative prompt's velocity too, as diffusers decides it."""
    return request.negative_prompt is not None and (request.true_guidance or 0.0) > 1.0


def plan(
    number: int, request: GenerationRequest, inputs: tuple[Path, ...], weights: ModelWeights, grid: int
) -> list[Trajectory]:
    """One trajectory per image of a checked request, for a model whose sizes are multiples of `grid` pixels."""
    width, height = (-(-side // grid) * grid for side in (request.width, request.height))
    steps = request.steps or weights.steps
    picture = (width // grid) * (height // grid)
    references = len(inputs) - len(request.loras) if request.task is Task.EDIT else 0
    length = picture * (1 + references) + weights.max_text_tokens
    return [
        Trajectory(
            number=number,
            index=index,
            request=request,
            inputs=inputs,
            canvas_width=width,
            canvas_height=height,
            schedule_steps=steps,
            first=_first_step(request, steps),
            guidance=weights.guidance if request.guidance is None else request.guidance,
            lengths=(length,) * (2 if truly_guided(request) else 1),
            lane=(*weights.places, request.acceleration),
        )
        for index in range(request.count)
    ]


def _first_step(request: GenerationRequest, steps: int) -> int:
    """Where what starts from a picture enters the schedule, as diffusers' `get_timesteps` has it."""
    strengths = {Task.VARY: DEFAULT_STRENGTH, Task.FILL: 1.0}
    if request.task not in strengths:
        return 0
    strength = strengths[request.task] if request.strength is None else request.strength
    first = int(max(steps - min(steps * strength, steps), 0))
    if first >= steps:
        raise InvalidParameter(f"strength {strength} of {steps} steps leaves no step to make.", field="strength")
    return first
