"""Imports are absolute and stand at the top of the file, where the layer contracts can be believed."""

import ast

import pytest


def hidden_imports(sources):
    """Every relative import, every wildcard, and every import that is not directly in the body of its module."""
    for source in sources:
        for node in ast.walk(source.tree):
            if not isinstance(node, ast.Import | ast.ImportFrom):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in {"__import__", "importlib.import_module"}:
                    yield f"{source.at(node.lineno)}: {ast.unparse(node.func)}"
                continue
            if getattr(node, "level", 0):
                yield f"{source.at(node.lineno)}: relative import"
            if any(alias.name == "*" for alias in node.names):
                yield f"{source.at(node.lineno)}: wildcard import"
            if node not in source.tree.body:
                yield f"{source.at(node.lineno)}: import below the top level"


def type_only_guards(sources):
    """Every use of TYPE_CHECKING, under which circles hide."""
    for source in sources:
        for node in ast.walk(source.tree):
            if "TYPE_CHECKING" in (getattr(node, "id", None), getattr(node, "attr", None), getattr(node, "name", None)):
                yield f"{source.at(node.lineno)}: TYPE_CHECKING"


def test_every_import_of_the_house_is_in_plain_sight(house):
    """The package has no relative, wildcard, function-local, conditional or computed import."""
    violations = list(hidden_imports(house))
    assert not violations, "\n".join(violations)


def test_the_house_has_no_type_only_imports(house):
    """What a type needs is imported like everything else."""
    violations = list(type_only_guards(house))
    assert not violations, "\n".join(violations)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("from . import jobs\n", "relative import"),
        ("from ..core import jobs\n", "relative import"),
        ("from fluxhouse.core import *\n", "wildcard import"),
        ("def f():\n    import torch\n", "import below the top level"),
        ("try:\n    import torch\nexcept ImportError:\n    torch = None\n", "import below the top level"),
        ("class A:\n    from fluxhouse.core import jobs\n", "import below the top level"),
        ("import importlib\nimportlib.import_module('torch')\n", "importlib.import_module"),
        ("torch = __import__('torch')\n", "__import__"),
    ],
)
def test_a_hidden_import_is_found(sample, text, complaint):
    """Each way to hide an import is a violation."""
    assert [line.split(": ")[1] for line in hidden_imports(sample(text))] == [complaint]


@pytest.mark.parametrize(
    "text",
    ["from typing import TYPE_CHECKING\n", "import typing\nif typing.TYPE_CHECKING:\n    import os\n"],
)
def test_a_type_only_guard_is_found(sample, text):
    """Both spellings of the guard are a violation."""
    assert list(type_only_guards(sample(text)))


def test_plain_imports_are_left_alone(sample):
    """An absolute import at the top is what there should be."""
    text = "import os\nfrom fluxhouse.core import jobs, ledger as ledgers\n"
    assert not list(hidden_imports(sample(text))) + list(type_only_guards(sample(text)))
