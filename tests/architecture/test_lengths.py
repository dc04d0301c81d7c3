"""Nothing is longer than a reader can hold: files, functions and classes stay under their stops."""

import ast
import sys
from collections import Counter

import pytest

FILE, FUNCTION, CLASS = 400, 50, 150  # lines; aim for 60-300, 10 and less


def too_long(sources):
    """Every file, function and class over its stop; migrations are exempt, they only ever grow."""
    for source in sources:
        if source.is_migration:
            continue
        lines = len(source.text.splitlines())
        if lines > FILE:
            yield f"{source.path}: {lines} lines, at most {FILE}"
        for node in ast.walk(source.tree):
            stop = CLASS if isinstance(node, ast.ClassDef) else FUNCTION
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                lines = node.end_lineno - node.lineno + 1
                if lines > stop:
                    yield f"{source.at(node.lineno)}: {node.name} has {lines} lines, at most {stop}"


def lines_per_room(sources):
    """Lines of each folder, and of the files that stand beside the folders."""
    rooms = Counter()
    for source in sources:
        room = source.path.parts[0] if len(source.path.parts) > 1 else source.path.name
        rooms[room] += len(source.text.splitlines())
    return rooms


def test_nothing_in_the_house_is_too_long(house):
    """No file, function or class of the package is over its stop."""
    violations = list(too_long(house))
    assert not violations, "\n".join(violations)


def test_no_test_file_is_too_long(tests):
    """Test files keep the same stops as what they test."""
    violations = list(too_long(tests))
    assert not violations, "\n".join(violations)


def test_the_lines_of_each_room_are_printed(house, capsys):
    """Whoever runs the checks sees how large each room is."""
    rooms = lines_per_room(house)
    with capsys.disabled():
        sys.stdout.write("\n")
        for room, lines in sorted(rooms.items(), key=lambda item: -item[1]):
            sys.stdout.write(f"{lines:7,}  {room}\n")
        sys.stdout.write(f"{rooms.total():7,}  in all\n")
    assert rooms["generation"] > 0


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("x = 1\n" * 401, "401 lines, at most 400"),
        ("def long():\n" + "    x = 1\n" * 50, "long has 51 lines, at most 50"),
        ("async def long():\n" + "    x = 1\n" * 50, "long has 51 lines, at most 50"),
        ("class Outer:\n    def long(self):\n" + "        x = 1\n" * 50, "long has 51 lines, at most 50"),
        ("class Long:\n" + "    x = 1\n" * 150, "Long has 151 lines, at most 150"),
    ],
)
def test_what_is_one_line_too_long_is_found(sample, text, complaint):
    """One line over a stop is a violation."""
    assert [line.split(": ")[1] for line in too_long(sample(text))] == [complaint]


def test_what_just_fits_is_left_alone(sample):
    """A file, a function and a class exactly at their stops pass, and so does a long migration."""
    assert not list(too_long(sample("x = 1\n" * 400)))
    assert not list(too_long(sample("def fits():\n" + "    x = 1\n" * 49)))
    assert not list(too_long(sample("class Fits:\n" + "    x = 1\n" * 149)))
    assert not list(too_long(sample("x = 1\n" * 500, "database/migrations/versions/accounts.py")))
