"""Line 1 of every module says in one sentence what the module holds, and every test says what it proves."""

import ast
import re

import pytest

SENTENCE = re.compile(r'"""\S.*\.("""(  # noqa: \w+)?)?')
ANOTHER = re.compile(r"[.!?] [A-Z]")


def without_caption(sources):
    """Every module whose first line is not a docstring of one sentence."""
    for source in sources:
        first = source.text.split("\n", 1)[0]
        if not SENTENCE.fullmatch(first) or ANOTHER.search(first):
            yield f"{source.path}: line 1 is not one sentence in a docstring: {first[:60]!r}"


def silent_tests(sources):
    """Every test function that does not state in its docstring the behaviour it proves."""
    for source in sources:
        for node in ast.walk(source.tree):
            is_test = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
            if is_test and not (ast.get_docstring(node) or "").rstrip().endswith("."):
                yield f"{source.at(node.lineno)}: {node.name} has no sentence"


def test_every_module_has_a_caption(house):
    """Each module of the package opens with its caption."""
    violations = list(without_caption(house))
    assert not violations, "\n".join(violations)


def test_every_test_module_has_a_caption(tests):
    """Each test module opens with its caption too."""
    violations = list(without_caption(tests))
    assert not violations, "\n".join(violations)


def test_every_test_states_a_behaviour(tests):
    """Each test has a docstring that is a sentence."""
    violations = list(silent_tests(tests))
    assert not violations, "\n".join(violations)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "import os\n",
        "# A comment.\n",
        '\n"""A caption on line 2."""\n',
        '"""\nA caption on line 2.\n"""\n',
        '"""No full stop"""\n',
        '"""Two sentences. On one line."""\n',
        "'''Other quotes.'''\n",
    ],
)
def test_a_missing_caption_is_found(sample, text):
    """Whatever is not one sentence on line 1 is a violation."""
    assert len(list(without_caption(sample(text)))) == 1


@pytest.mark.parametrize(
    "text", ['"""Jobs and their life."""\n', '"""Jobs, e.g. of images.\n\nMore of them. And more.\n"""\n']
)
def test_a_caption_is_accepted(sample, text):
    """One sentence on line 1 is enough, and more may follow below."""
    assert not list(without_caption(sample(text)))


def test_a_test_without_a_sentence_is_found(sample):
    """A test without docstring, or with a mere fragment, is a violation."""
    silent = 'def test_a():\n    pass\n\nclass TestB:\n    async def test_c(self):\n        """fragment"""\n'
    assert len(list(silent_tests(sample(silent)))) == 2
