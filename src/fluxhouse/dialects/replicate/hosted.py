"""The models as Replicate names them: owner and name, a version's hash, and how an input is read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from fluxhouse.catalog.catalog import Catalog
from fluxhouse.catalog.model import Model
from fluxhouse.catalog.parameter import Parameter
from fluxhouse.catalog.parsing import Parsed
from fluxhouse.dialects.replicate import fields
from fluxhouse.dialects.replicate.fields import HOSTED, Hosting
from fluxhouse.generation.errors import InvalidParameter, NotFound, RequestRejected
from fluxhouse.generation.image import InputImage
from fluxhouse.generation.moderation import USUAL_TOLERANCE
from fluxhouse.generation.request import Acceleration, GenerationRequest, OutputFormat, Task

T = TypeVar("T")

# Our own name for the vendor's owners: a client may say either.
ALIAS = "fluxhouse"
_LONGEST_NAME = 100  # characters


@dataclass(frozen=True, slots=True)
class Asked:
    """An input that passed: the catalog's reading of it, and what is settled outside the catalog."""

    parsed: Parsed
    format: OutputFormat
    quality: int
    acceleration: Acceleration
    tolerance: int | None
    upsample: bool

    def request(self, inputs: Sequence[InputImage], seed: int) -> GenerationRequest:
        """The complete request, see `Parsed.request`."""
        made = self.parsed.request(inputs, seed)
        return replace(
            made,
            format=self.format,
            quality=self.quality,
            acceleration=self.acceleration,
            tolerance=self.tolerance,
            upsample=self.upsample,
        )


@dataclass(frozen=True, slots=True)
class Hosted:
    """One model under the vendor's name."""

    owner: str
    name: str
    model: Model
    hosting: Hosting

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.name}"

    @property
    def version(self) -> str:
        """64 hexadecimal digits that are the same in every installation."""
        return version_of(self.full_name)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return fields.parameters(self.model, self.hosting)

    def read(self, sent: Mapping[str, object], catalog: Catalog, picture: Callable[[str], str]) -> Asked:
        """Check an input; `picture` turns what names a picture here into what the intake knows.

        Raises `InvalidParameter` or `UnsupportedParameter`, the field as `input.<name>`.
        """
        values = _placed(lambda: self._checked(sent), {})
        for name in fields.PICTURES:
            if values.get(name) is not None:
                values[name] = picture(values[name])
        vendors = {fields.native_name(parameter.name, self.model): parameter.name for parameter in self.parameters}
        vendors[fields.SECOND_LORA] = "extra_lora"
        parsed = _placed(lambda: catalog.parse(self.model.id, self._native(values)), vendors)
        inputs = tuple((f"input.{vendors[name]}", value) for name, value in parsed.input_values)
        loras = tuple(replace(lora, field=f"input.{vendors.get(lora.field, lora.field)}") for lora in parsed.loras)
        fast = values.get("go_fast") is True and parsed.task is not Task.VARY
        return Asked(
            replace(parsed, input_values=inputs, loras=loras),
            OutputFormat(values["output_format"]),
            values["output_quality"],
            Acceleration.HIGH if fast else Acceleration.NONE,
            None if values.get("disable_safety_checker") else values.get("safety_tolerance", USUAL_TOLERANCE),
            values.get("prompt_upsampling", False),
        )

    def _checked(self, sent: Mapping[str, object]) -> dict[str, Any]:
        """Every field with its value or default, each for itself."""
        known = self.parameters
        _refuse_unknown(self.full_name, sent, known)
        return {parameter.name: parameter.check(sent.get(parameter.name)) for parameter in known}

    def _native(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The catalog's body for these values; the catalog checks it once more, with its rules across fields."""
        model = self.model
        body = {fields.native_name(name, model): value for name, value in values.items() if value is not None}
        for name in fields.OUTSIDE:
            body.pop(name, None)
        if body.get("aspect_ratio") == fields.MATCH_INPUT or (values.get("image") and "mask" not in values):
            body.pop("aspect_ratio", None)  # the picture decides
        if body.get("megapixels") == fields.MATCH_MEGAPIXELS:
            del body["megapixels"]
        if not model.parameter("safety_tolerance"):
            body.pop("safety_tolerance", None)
        return body | _loras(values)


class HostedModels:
    """Every model of a catalog that the vendor has, by name and by version."""

    def __init__(self, catalog: Catalog) -> None:
        known = {model.id: model for model in catalog.models}
        self.all: Sequence[Hosted] = [
            Hosted(owner, name, known[name], hosting)
            for (owner, _, name), hosting in ((full.partition("/"), hosting) for full, hosting in HOSTED.items())
            if name in known
        ]
        self._by_name = {(owner, hosted.name): hosted for hosted in self.all for owner in (hosted.owner, ALIAS)}
        self._by_version = {hosted.version: hosted for hosted in self.all}

    def named(self, owner: str, name: str) -> Hosted:
        """The model of that owner and name; raises `NotFound`."""
        found = self._by_name.get((owner, name))
        if found is None:
            raise NotFound
        return found

    def referred(self, reference: str) -> Hosted | None:
        """The model that `owner/name`, `owner/name:version` or a version alone refers to; None where it does not."""
        name, _, version = reference.rpartition(":") if ":" in reference else (reference, "", "")
        if "/" not in name:
            return self._by_version.get(reference)
        owner, _, model_name = name.partition("/")
        found = self._by_name.get((owner, model_name))
        return found if found is None or version in ("", found.version) else None


def names(catalog: Catalog) -> Mapping[str, str]:
    """What the vendor calls each model of the catalog that it has, by the catalog's id."""
    return {hosted.model.id: hosted.full_name for hosted in HostedModels(catalog).all}


def version_of(full_name: str) -> str:
    """The hash that stands for the one version of a model here."""
    return hashlib.sha256(f"fluxhouse version 1 of {full_name}".encode()).hexdigest()


def _loras(values: Mapping[str, Any]) -> dict[str, Any]:
    """The catalog's fields for the LoRAs; a second one that is the first again is passed over, as with the vendor."""
    first, second = values.get("lora_weights"), values.get("extra_lora")
    found: dict[str, Any] = {} if first is None else {"lora_weights": fields.lora_name(first)}
    if values.get("hf_loras"):
        found["hf_loras"] = [fields.lora_name(name) for name in values["hf_loras"]]
    if second is not None and second != first:
        found[fields.SECOND_LORA] = [{"url": fields.lora_name(second), "scale": values["extra_lora_scale"]}]
    return found


def _placed(check: Callable[[], T], vendors: Mapping[str, str]) -> T:
    """What `check` gives; what it refuses is named by its place in the body, with the vendor's word for it."""
    try:
        return check()
    except RequestRejected as error:
        if error.field is None:
            raise
        message = error.message
        for native, name in vendors.items():
            message = message.replace(f"`{native}`", f"`{name}`")
        raise type(error)(message, field=f"input.{vendors.get(error.field, error.field)}") from None


def _refuse_unknown(full_name: str, sent: Mapping[str, object], known: Sequence[Parameter]) -> None:
    names = [parameter.name for parameter in known]
    for name, value in sent.items():
        if name not in names and value is not None:
            shown = name[:_LONGEST_NAME]
            raise InvalidParameter(
                f"`{shown}` is not an input of {full_name}; it takes: {', '.join(names)}.", field=shown
            )
