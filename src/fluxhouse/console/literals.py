"""JSON values as literals of the languages that code samples are written in: one escaper for each."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

Words = tuple[str, str, str]
"""How a language says null, true and false."""


def shell(text: str) -> str:
    """A POSIX shell word that is `text`, whatever is in it."""
    return "'" + text.replace("'", "'\\''") + "'"


def javascript(value: Any, indent: int = 0) -> str:
    """JSON is JavaScript, since 2019 with every character that may stand in a string."""
    return _layout(value, _json_string, ("null", "true", "false"), ("{", ": ", "}"), indent)


def python(value: Any, indent: int = 0) -> str:
    """What JSON escapes, Python reads alike; its other words differ."""
    return _layout(value, _json_string, ("None", "True", "False"), ("{", ": ", "}"), indent)


def php(value: Any, indent: int = 0) -> str:
    """Single-quoted strings, in which only the quote and the backslash mean anything."""
    return _layout(value, _php_string, ("null", "true", "false"), ("[", " => ", "]"), indent)


def java(text: str) -> str:
    """A string literal in ASCII alone, because the compiler may take the file for any encoding."""
    escaped = "".join(character if _is_plain(character) else _java_escape(character) for character in text)
    return f'"{escaped}"'


def _json_string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _php_string(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _is_plain(character: str) -> bool:
    return " " <= character <= "~" and character not in '"\\'


def _java_escape(character: str) -> str:
    named = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    if character in named:
        return named[character]
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _layout(value: Any, string: Callable[[str], str], words: Words, mapping: tuple[str, str, str], indent: int) -> str:
    """The value with every entry of a mapping on its own line; lists stay on theirs."""

    def written(part: Any, indent: int) -> str:
        if isinstance(part, str):
            return string(part)
        if isinstance(part, Mapping):
            opening, between, closing = mapping
            inner = " " * (indent + 4)
            lines = [f"{inner}{string(name)}{between}{written(entry, indent + 4)}" for name, entry in part.items()]
            return opening + "\n" + ",\n".join(lines) + "\n" + " " * indent + closing if lines else opening + closing
        if isinstance(part, list):
            return "[" + ", ".join(written(entry, indent) for entry in part) + "]"
        if part is None:
            return words[0]
        return words[1 if part else 2] if isinstance(part, bool) else json.dumps(part)

    return written(value, indent)
