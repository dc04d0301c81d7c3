"""The tests mirror the package: tests/<room>/test_<module>.py belongs to src/fluxhouse/<room>/<module>.py."""

import pytest

# Rooms of tests that look at the whole house.
WHOLE = {"architecture", "acceptance", "contracts"}


def without_module(tests, house):
    """Every test module to whose name no module, folder or room of the package fits.

    `test_ledger.py` and `test_ledger_properties.py` both belong to `ledger.py`, and to a room belongs `test_<room>.py`.
    """
    modules = {source.path.with_suffix("") for source in house} | {source.path.parent for source in house}
    for source in tests:
        room, name = source.path.parent, source.path.stem.removeprefix("test_")
        if not source.path.name.startswith("test_") or source.path.parts[0] in WHOLE:
            continue
        neighbours = {module.name for module in modules if module.parent == room} | {room.name}
        if not any(name == neighbour or name.startswith(f"{neighbour}_") for neighbour in neighbours if neighbour):
            yield f"{source.path}: nothing in src/fluxhouse/{room} is called {name}"


def test_every_test_module_has_its_module(tests, house):
    """Who reads a module finds its tests under the same name."""
    violations = list(without_module(tests, house))
    assert not violations, "\n".join(violations)


@pytest.mark.parametrize("path", ["core/test_jbos.py", "test_jobs.py", "engine/test_jobs.py"])
def test_a_test_of_nothing_is_found(sample, path):
    """A test module in another room, or of another name, is a violation."""
    house = sample("", "core/jobs.py")
    tests = [source for source in sample("", path) if source.path.name.startswith("test_")]
    assert len(list(without_module(tests, house))) == 1


@pytest.mark.parametrize(
    "path", ["core/test_jobs.py", "core/test_jobs_life.py", "core/test_core.py", "acceptance/test_x.py"]
)
def test_a_mirrored_test_is_accepted(sample, path):
    """The module's own name, with or without an aspect, will do; so will the whole house's rooms."""
    house = sample("", "core/jobs.py")
    tests = [source for source in sample("", path) if source.path.name.startswith("test_")]
    assert not list(without_module(tests, house))
