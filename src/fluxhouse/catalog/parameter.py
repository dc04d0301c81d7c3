"""One parameter of a request: what it accepts, and the same said as JSON Schema."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from fluxhouse.catalog.loras import NAMES as LORA_NAMES
from fluxhouse.generation.errors import InvalidParameter, UnsupportedParameter

Value = str | int | float | bool | list[Any] | None

TYPES = ("string", "integer", "number", "boolean", "array")
ITEM_TYPES = ("string", "number", "lora")
_ARTICLES = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "array": "an array",
    "lora": "what names a LoRA, or an object of `id` or `url` and perhaps `scale`",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A named value of a request body.

    `minimum` and `maximum` are inclusive; `max_length` counts characters; `pattern` is a regular expression that means
    the same in Python, ECMAScript and Rust, and `pattern_says` puts it in words; for an array all of them hold for
    every item, of which there are at most `max_items`. Null stands for an absent optional value. `supported` is False
    where the contract has the parameter and this installation cannot do it: then only the default is accepted.
    """

    name: str
    type: str
    description: str = ""
    required: bool = False
    default: Value = None
    minimum: float | None = None
    maximum: float | None = None
    enum: tuple[str, ...] | None = None
    max_length: int | None = None
    pattern: str | None = None
    pattern_says: str = ""
    item_type: str | None = None
    max_items: int | None = None
    supported: bool = True

    def check(self, value: object) -> Value:
        """The accepted value, integers as int and numbers as float; the default for None.

        Raises `InvalidParameter` or `UnsupportedParameter`, both with this parameter as `field`.
        """
        if value is None:
            if self.required:
                raise InvalidParameter(f"`{self.name}` is required.", field=self.name)
            return self.default
        accepted = self._in_range(self._typed(value))
        if not self.supported and not same_value(accepted, self.default):
            raise self._unsupported()
        return accepted

    def check_default_only(self, value: object, model_id: str) -> None:
        """Accept null and the default of a parameter that model `model_id` does not know; refuse all else by name."""
        if value is None or (self.default is not None and same_value(value, self.default)):
            return
        accepted = "" if self.default is None else f" (its default {self.default!r} would be accepted)"
        raise InvalidParameter(f"`{model_id}` has no parameter `{self.name}`{accepted}.", field=self.name)

    def schema(self) -> dict[str, Any]:
        """JSON Schema 2020-12 that accepts exactly what `check` accepts."""
        described: dict[str, Any] = {"description": self.description} if self.description else {}
        if not self.supported:
            described["description"] = f"{self.description} Not supported by this installation yet."
            return described | ({"not": {}} if self.required else self.default_schema())
        if self.default is not None:
            described["default"] = self.default
        return described | self._accepting_schema()

    def default_schema(self) -> dict[str, Any]:
        """JSON Schema of null and the default alone."""
        if self.default is None:
            return {"type": "null"}
        return {"enum": [self.default, None], "default": self.default}

    def _accepting_schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": self.type if self.required else [self.type, "null"]}
        if self.type == "array":
            return schema | _without_none({"items": _item_schema(self), "maxItems": self.max_items})
        if self.enum is not None:
            schema["enum"] = [*self.enum] if self.required else [*self.enum, None]
        return schema | _text_limits(self) | _number_limits(self)

    def _typed(self, value: object) -> Value:
        match self.type:
            case "string" if isinstance(value, str):
                return value
            case "boolean" if isinstance(value, bool):
                return value
            case "integer" if _is_integer(value):
                return int(value)  # type: ignore[call-overload, no-any-return]
            case "number" if _is_number(value):
                return self._finite(value)
            case "array" if isinstance(value, list):
                return self._items(value)
        self._refuse(f"must be {_ARTICLES[self.type]}")

    def _finite(self, value: Any) -> float:
        try:
            return float(value)
        except OverflowError:
            self._refuse("is too large")

    def _items(self, items: list[object]) -> list[Any]:
        item_type = self.item_type or "string"
        if not all(_ITEM_CHECKS[item_type](item) for item in items):
            self._refuse(f"must be an array whose every item is {_ARTICLES[item_type]}")
        if self.max_items is not None and len(items) > self.max_items:
            self._refuse(f"may have at most {self.max_items} items")
        return [self._item(item) for item in items]

    def _item(self, item: Any) -> Any:
        if isinstance(item, dict):
            return {name: self._item(part) for name, part in item.items() if part is not None}
        return self._in_range(self._finite(item) if _is_number(item) else item)

    def _in_range(self, value: Value) -> Value:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            low, high = self.minimum, self.maximum
            if (low is not None and value < low) or (high is not None and value > high):
                self._refuse(f"must be {self.range_text()}")
        return value

    def _text(self, value: str) -> str:
        if self.enum is not None and value not in self.enum:
            self._refuse(f"must be one of {', '.join(self.enum)}")
        if self.max_length is not None and len(value) > self.max_length:
            self._refuse(f"must have at most {self.max_length:,} characters")
        if self.pattern is not None and not re.search(_python_pattern(self.pattern), value):
            self._refuse(self.pattern_says or f"must match {self.pattern}")
        try:
            value.encode()  # not character by character: a value may be a picture of millions
        except UnicodeEncodeError:
            self._refuse("must be valid Unicode, without lone surrogates")
        return value

    def range_text(self) -> str:
        """The accepted range in words, empty where every value of the type is accepted."""
        if self.max_items is not None:
            each = replace(self, max_items=None).range_text()
            return f"at most {self.max_items} items" + (f", each {each}" if each else "")
        if self.enum is not None:
            return ", ".join(self.enum)
        if self.minimum is not None and self.maximum is not None:
            return f"from {self.minimum} to {self.maximum}"
        if self.minimum is not None:
            return f"at least {self.minimum}"
        if self.maximum is not None:
            return f"at most {self.maximum}"
        return f"up to {self.max_length:,} characters" if self.max_length is not None else ""

    def _refuse(self, rule: str) -> NoReturn:
        raise InvalidParameter(f"`{self.name}` {rule}.", field=self.name)

    def _unsupported(self) -> UnsupportedParameter:
        accepted = "leave it out" if self.default is None else f"leave it out or send {self.default!r}"
        return UnsupportedParameter(
            f"`{self.name}` is not supported by this installation yet: {accepted}.", field=self.name
        )


def same_value(value: object, default: object) -> bool:
    """JSON equality of two scalars: 1 equals 1.0, but true equals only true."""
    return isinstance(value, bool) == isinstance(default, bool) and value == default


def _python_pattern(pattern: str) -> str:
    # Python's `$` also matches before a last line feed, which the `$` of JSON Schema does not.
    return pattern[:-1] + r"\Z" if pattern.endswith("$") else pattern


def _is_integer(value: object) -> bool:
    return not isinstance(value, bool) and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))


def _is_number(value: object) -> bool:
    return _is_integer(value) or (isinstance(value, float) and math.isfinite(value))


def _item_schema(parameter: Parameter) -> dict[str, Any]:
    text = {"type": "string"} | _text_limits(parameter)
    number = {"type": "number"} | _number_limits(parameter)
    if parameter.item_type == "lora":
        scale = number | {"type": ["number", "null"]}
        return {"anyOf": [text, *(_closed({name: text, "scale": scale}, name) for name in LORA_NAMES)]}
    return text if parameter.item_type == "string" else number


def _text_limits(parameter: Parameter) -> dict[str, Any]:
    return _without_none({"maxLength": parameter.max_length, "pattern": parameter.pattern})


def _number_limits(parameter: Parameter) -> dict[str, Any]:
    return _without_none({"minimum": parameter.minimum, "maximum": parameter.maximum})


def _without_none(limits: Mapping[str, object]) -> dict[str, Any]:
    return {keyword: limit for keyword, limit in limits.items() if limit is not None}


def _closed(properties: Mapping[str, Any], required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [required], "additionalProperties": False}


def _is_lora(item: object) -> bool:
    if not isinstance(item, dict):
        return isinstance(item, str)
    named = [name for name in LORA_NAMES if name in item]
    fits = len(named) == 1 and item.keys() <= {*named, "scale"} and isinstance(item[named[0]], str)
    return fits and (item.get("scale") is None or _is_number(item["scale"]))


_ITEM_CHECKS: Mapping[str, Callable[[object], bool]] = {
    "string": lambda item: isinstance(item, str),
    "number": _is_number,
    "lora": _is_lora,
}
