"""One image on its way from noise to picture, described without tensors, and how a request becomes such ways."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fluxhouse.engine.options import ModelWeights
from fluxhouse.generation.errors import InputImageRefused, InvalidParameter, UnsupportedParameter
from fluxhouse.generation.request import GenerationRequest, Task

DEFAULT_STRENGTH = 0.8
_PREVIEW_SHARE = 0.7
_PREVIEWS = 4
_MAX_STEPS = 1000


@dataclass(slots=True, eq=False)
class Trajectory:
    """Image `index` of request `number`.

    `canvas_width` and `canvas_height` are the request's size rounded up to the model's grid. Of a schedule of
    `schedule_steps` sigmas the steps from `first` on are made. `tokens` counts what one step computes.
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
    tokens: int
    step: int = 0
    seconds: float = 0.0

    @property
    def steps(self) -> int:
        """How many steps it makes in all."""
        return self.schedule_steps - self.first

    @property
    def seed(self) -> int:
        return self.request.image_seed(self.index)

    @property
    def remaining(self) -> int:
        """Work left, in token-steps."""
        return (self.steps - self.step) * self.tokens

    @property
    def finished(self) -> bool:
        return self.step >= self.steps


def preview_due(step: int, steps: int) -> bool:
    """Whether a preview follows `step` (from 1) of `steps`: a few in all, none after 70 % of them."""
    return step % max(2, steps // _PREVIEWS) == 0 and step <= steps * _PREVIEW_SHARE


def check(request: GenerationRequest, inputs: tuple[Path, ...], max_pixels: int) -> None:
    """Refuse what this engine cannot make, by the name of the field. Raises RequestRejected."""
    if request.task is Task.FILL:
        raise UnsupportedParameter("This engine cannot repaint under a mask.", field="task")
    if request.task is Task.VARY and len(inputs) != 1:
        raise InputImageRefused(f"Image to image takes exactly one input image, not {len(inputs)}.", field="inputs")
    if request.task is Task.EDIT and not inputs:
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


def plan(
    number: int, request: GenerationRequest, inputs: tuple[Path, ...], weights: ModelWeights, grid: int
) -> list[Trajectory]:
    """One trajectory per image of a checked request, for a model whose sizes are multiples of `grid` pixels."""
    width, height = (-(-side // grid) * grid for side in (request.width, request.height))
    steps = request.steps or weights.steps
    picture = (width // grid) * (height // grid)
    references = len(inputs) if request.task is Task.EDIT else 0
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
            tokens=picture * (1 + references) + weights.max_text_tokens,
        )
        for index in range(request.count)
    ]


def _first_step(request: GenerationRequest, steps: int) -> int:
    """Where image to image enters the schedule, as diffusers' `get_timesteps` has it."""
    if request.task is not Task.VARY:
        return 0
    strength = DEFAULT_STRENGTH if request.strength is None else request.strength
    first = int(max(steps - min(steps * strength, steps), 0))
    if first >= steps:
        raise InvalidParameter(f"strength {strength} of {steps} steps leaves no step to make.", field="strength")
    return first
