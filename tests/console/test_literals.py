"""Values as literals: whatever stands in a text, the language reads the same text again."""

import ast
import json
import shlex

import pytest

from fluxhouse.console.literals import java, javascript, php, python, shell

TEXTS = ["plain", 'it\'s "so" \\ $HOME `x` %', "one\ntwo\r\ttab", "a fox \U0001f98a ü", "</script>\u2028\x7f\x01"]


@pytest.mark.parametrize("text", TEXTS)
def test_each_language_reads_what_was_meant(text):
    """Shell, Python and JavaScript as their own readers have it."""
    assert shlex.split(shell(text)) == [text]
    assert ast.literal_eval(python(text)) == text
    assert json.loads(javascript(text)) == text


def test_php_escapes_what_its_single_quotes_know():
    """The quote and the backslash, nothing else."""
    assert php("it's \\n $x\n") == "'it\\'s \\\\n $x\n'"
    assert php({"a": [1, None], "b": True}) == "[\n    'a' => [1, null],\n    'b' => true\n]"


def test_java_is_written_in_ascii():
    """A character beyond the basic plane is two units; what JSON escaped before is not escaped by the compiler."""
    assert java('"\\u0001"\n\U0001f98a') == '"\\"\\\\u0001\\"\\n\\ud83e\\udd8a"'


def test_nested_values_are_laid_out():
    """One entry a line; Python has its own words for null and true."""
    assert python({"a": {"b": None}, "c": [True, 1.5]}, 4) == (
        '{\n        "a": {\n            "b": None\n        },\n        "c": [True, 1.5]\n    }'
    )
