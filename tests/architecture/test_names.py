"""No file, class, function or variable has a name so wide that anything fits into it."""

import ast

import pytest

BANNED = {
    *("util", "utils", "helper", "helpers", "common", "misc", "manager", "service", "base", "server"),
    *("config", "data", "info", "handle"),
}


def too_wide(sources):
    """Every banned word used as the whole of a name; migrations speak Alembic's words and are exempt."""
    for source in sources:
        if source.is_migration:
            continue
        for part in (*source.path.parts[:-1], source.path.stem):
            if part in BANNED:
                yield f"{source.path}: {part}"
        for node in ast.walk(source.tree):
            for name in names_given(node):
                if name.strip("_").lower() in BANNED:
                    yield f"{source.at(node.lineno)}: {name}"


def names_given(node):
    """The names that this node introduces; reading a foreign name gives none."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return [node.name]
        case ast.arg():
            return [node.arg]
        case ast.Name(ctx=ast.Store()):
            return [node.id]
        case ast.Attribute(ctx=ast.Store()):
            return [node.attr]
        case ast.alias(asname=str()):
            return [node.asname]
        case ast.ExceptHandler(name=str()) | ast.MatchAs(name=str()) | ast.MatchStar(name=str()):
            return [node.name]
        case _:
            return []


def test_no_name_in_the_house_is_too_wide(house):
    """The package uses the words of the field."""
    violations = list(too_wide(house))
    assert not violations, "\n".join(violations)


@pytest.mark.parametrize(
    "text",
    [
        "data = 1\n",
        "_data = 1\n",
        "info: int = 1\n",
        "for data in []: ...\n",
        "def handle(): ...\n",
        "async def handle(): ...\n",
        "class Manager: ...\n",
        "def f(config): ...\n",
        "def f(*, config): ...\n",
        "f = lambda data: 1\n",
        "class A:\n    base: int\n",
        "class A:\n    def f(self): self.server = 1\n",
        "import os as service\n",
        "with open('') as data: ...\n",
        "if (data := 1): ...\n",
        "[1 for info in []]\n",
        "try: ...\nexcept OSError as info: ...\n",
    ],
)
def test_a_wide_name_is_found(sample, text):
    """Each way to give a name is looked at."""
    assert len(list(too_wide(sample(text)))) == 1


@pytest.mark.parametrize("path", ["utils.py", "helpers/jobs.py", "core/base.py"])
def test_a_wide_file_name_is_found(sample, path):
    """Files and folders are names too."""
    assert len(list(too_wide(sample("", path)))) == 1


def test_narrower_names_and_foreign_ones_are_left_alone(sample):
    """A word within a name, and a name somebody else gave, are no violation."""
    text = "import logging.config\ndata_folder = logging.config\nserver_error = f(data=1).info\nlog.info('')\n"
    assert not list(too_wide(sample(text)))
