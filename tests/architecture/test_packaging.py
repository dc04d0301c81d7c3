"""What is installed: every package at one version, nothing unpinned, and the commands that others rely on."""

import os
import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


@pytest.fixture(scope="module")
def project(root):
    return tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.fixture(scope="module")
def pins(root):
    """Package -> its one version."""
    lines = (root / "constraints.txt").read_text("utf-8").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def unpinned(requirements, pins):
    """Every requirement without a pin, or whose pin it does not allow."""
    versions = {canonicalize_name(name): version for name, version in pins.items()}
    for requirement in map(Requirement, requirements):
        version = versions.get(canonicalize_name(requirement.name))
        if version is None or not requirement.specifier.contains(version):
            yield f"{requirement}: pinned at {version}"


def test_every_requirement_is_pinned_at_a_version_it_allows(project, pins):
    """The base, every extra and the developer's tools install at the versions of constraints.txt."""
    extras = project["optional-dependencies"].values()
    requirements = [*project["dependencies"], *(requirement for extra in extras for requirement in extra)]
    violations = list(unpinned(requirements, pins))
    assert not violations, "\n".join(violations)


def test_a_requirement_without_its_pin_is_found():
    """No pin, or one below the floor, is a violation."""
    assert list(unpinned(["numpy>=2", "pillow>=13", "Jinja2>=3"], {"numpy": "1.9", "jinja2": "3.1.6"})) == [
        "numpy>=2: pinned at 1.9",
        "pillow>=13: pinned at None",
    ]


def test_pins_fit_every_build(pins):
    """No pin names a local version, so that torch may be any build of its release."""
    assert {
        name: version
        for name, version in pins.items()
        if not re.fullmatch(r"[0-9][0-9.]*(post[0-9]+|b[0-9]+)?", version)
    } == {}


def test_the_base_install_has_no_torch(project):
    """Torch and what stands on it are extras, under the names that others install them by."""
    base = {Requirement(requirement).name for requirement in project["dependencies"]}
    assert base & {"torch", "diffusers", "transformers", "accelerate", "numpy", "safetensors"} == set()
    assert {"engine", "postgres", "s3", "stripe"} <= set(project["optional-dependencies"])


def test_make_has_the_targets_that_others_call(root):
    """The commands of the README exist and explain themselves, and a change is decided by two of them."""
    targets = re.findall(r"^(\w+):.*## \S", (root / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert {"help", "setup", "serve", "test", "check", "fix", "prove"} <= set(targets)
    assert "make check test" in (root / ".ci" / "run").read_text("utf-8")
    assert os.access(root / ".ci" / "run", os.X_OK)
