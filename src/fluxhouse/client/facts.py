"""What the API tells, as frozen values: jobs and images without their colour, models, files, LoRAs, prices, usage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

ENDED = frozenset({"completed", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed; `retryable` says whether the same request may succeed later."""

    code: str
    message: str
    retryable: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """The newest step: `step` of `steps` done of the image with that index, counted from 0."""

    index: int
    step: int
    steps: int


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """A finished image: its address, its size in pixels, and the seed that makes it again."""

    url: str
    width: int | None = None
    height: int | None = None
    content_type: str | None = None
    seed: int | None = None
    has_nsfw_concepts: bool = False


@dataclass(frozen=True, slots=True)
class JobFacts:
    """A job as it stood when the server was asked; what was not known then is None.

    `status` is one of pending, processing, completed, failed, cancelled. `credit_cost` is held while the job lives and
    what was really charged once it has ended; `credits_remaining` is told by a submit alone.
    """

    id: str
    status: str
    model: str | None = None
    served_by: str | None = None
    prompt: str | None = None
    seed: int | None = None
    credit_cost: Decimal | None = None
    credits_remaining: Decimal | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    expires_at: datetime | None = None
    queue_position: int | None = None
    progress: Progress | None = None
    inference_seconds: float | None = None
    output_expired: bool = False
    error: JobError | None = None

    @property
    def ended(self) -> bool:
        """Whether it will not change any more."""
        return self.status in ENDED


@dataclass(frozen=True, slots=True)
class File:
    """An uploaded picture; give it, or its `id`, as an input image until `expires_at`."""

    id: str
    content_type: str
    width: int
    height: int
    size_bytes: int
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Lora:
    """A registered LoRA; give it, or its `id`, wherever a model takes one.

    `format` says who spells it so, `source` where it was fetched from, None for a file that was handed in.
    `ignored_tensors` are those for the text encoders, to which LoRAs are not applied; `trigger` are the words that a
    prompt needs for it, where its file says any.
    """

    id: str
    name: str
    format: str
    size_bytes: int
    sha256: str
    ignored_tensors: int
    created_at: datetime
    source: str | None = None
    trigger: str | None = None


@dataclass(frozen=True, slots=True)
class Licence:
    """The licence of the checkpoint behind a model's name."""

    name: str
    url: str
    checkpoint: str | None = None
    gated: bool = False
    commercial_use: bool = False


@dataclass(frozen=True, slots=True)
class Model:
    """An entry of the catalog; what follows `served_by` is known only where one model was asked for.

    `request_schema` is the JSON Schema of its parameters, `aspect_ratios` the size in pixels of each ratio.
    """

    id: str
    name: str
    description: str
    modality: str
    credits_per_image: Decimal
    tags: tuple[str, ...]
    available: bool
    served_by: str | None = None
    request_schema: Mapping[str, Any] = field(default_factory=dict)
    aspect_ratios: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    licence: Licence | None = None
    related: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Quote:
    """What a request would cost; `width` and `height` in pixels are None where an input image decides them."""

    model: str
    serving_model: str
    num_outputs: int
    credits_per_image: Decimal
    credit_cost: Decimal
    usd_cost: Decimal
    credits_remaining: Decimal
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class Credits:
    """The account's prepaid credits: `available` is `balance` less what open jobs have `held`."""

    balance: Decimal
    held: Decimal
    available: Decimal


@dataclass(frozen=True, slots=True)
class UsageDay:
    """One model on one day (UTC): submits, refused ones included, how their jobs ended, and the credits charged."""

    date: date
    model: str
    requests: int
    refused: int
    completed: int
    failed: int
    cancelled: int
    images: int
    credit_cost: Decimal
