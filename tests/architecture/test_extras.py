"""The base install is enough to import everything but the few modules that make images on a device."""

import ast
import json
import os
import subprocess
import sys

# What the extras bring; a base install has none of it.
EXTRAS = {
    *("torch", "diffusers", "transformers", "accelerate", "safetensors", "tokenizers", "sentencepiece"),
    *("huggingface_hub", "numpy", "psycopg", "psycopg_pool", "procrastinate", "obstore", "stripe", "opentelemetry"),
}
# Modules outside the device rooms that are loaded by name, and only where their extra is installed.
OWN_EXTRA = {
    # The protocol's library, of the base install, brings OpenTelemetry's interface along.
    "fluxhouse.dialects.mcp.speaking": {"mcp", "opentelemetry"},
    "fluxhouse.tracing.otel": {"opentelemetry"},
    "fluxhouse.storage.s3": {"obstore"},
    "fluxhouse.console.stripe_checkout": {"stripe"},
    "fluxhouse.worker.procrastination": {"procrastinate", "psycopg"},
}
DEVICE_ROOMS = ("fluxhouse.engine", "fluxhouse.builtin")
# What the serving process itself imports of the device rooms.
PARENT_SIDE = {"fluxhouse.engine", "fluxhouse.engine.engine", "fluxhouse.builtin"}

IMPORT_ALL = """
import importlib, json, sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in extras:
            raise ModuleNotFoundError(f"{name} is an optional extra", name=name)
extras, modules = (json.loads(argument) for argument in sys.argv[1:])
sys.meta_path.insert(0, Blocker())
failures = {}
for module in modules:
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as missing:
        failures[module] = str(missing)
print(json.dumps(failures))
"""


def module_name(source):
    """`core/jobs.py` is `fluxhouse.core.jobs`, and a package is named by its folder."""
    parts = ("fluxhouse", *source.path.with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(source):
    """The modules a file names in its imports."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def device_side(sources):
    """The modules of the device rooms that need an extra, directly or through a neighbour."""
    rooms = {module_name(source): set(imported(source)) for source in sources}
    rooms = {name: names for name, names in rooms.items() if name.startswith(DEVICE_ROOMS)}
    found = {name for name, names in rooms.items() if any(used.split(".")[0] in EXTRAS for used in names)}
    while more := {name for name, names in rooms.items() if names & found} - found:
        found |= more
    return found


def import_failures(modules, folder):
    """Import the modules of the package in `folder` where no extra can be imported: module -> what was missing."""
    command = [sys.executable, "-c", IMPORT_ALL, json.dumps(sorted(EXTRAS)), json.dumps(sorted(modules))]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def test_the_house_stands_without_the_extras(house, root):
    """With torch, diffusers, psycopg, obstore, stripe and their kin blocked, every other module imports."""
    runs_when_imported = {module_name(source) for source in house if source.is_migration}
    modules = {module_name(source) for source in house} - device_side(house) - runs_when_imported - OWN_EXTRA.keys()
    assert import_failures(modules - {"fluxhouse.__main__"}, root / "src") == {}


def test_the_serving_process_needs_no_torch(house):
    """The face of the engine and of the built-in model is on the torch-free side."""
    assert device_side(house) & PARENT_SIDE == set()


def test_only_device_rooms_name_the_extras(house):
    """An extra is named by nobody but the room it is for."""
    outside = {module_name(source): set(imported(source)) for source in house}
    named = {
        (module, used)
        for module, names in outside.items()
        for used in names
        if not module.startswith(DEVICE_ROOMS) and used.split(".")[0] in EXTRAS - OWN_EXTRA.get(module, set())
    }
    assert named == set()


def test_nobody_imports_what_needs_its_own_extra(house):
    """A module with an extra of its own is reached by its name alone."""
    importers = {module_name(source): set(imported(source)) & OWN_EXTRA.keys() for source in house}
    assert {module for module, found in importers.items() if found} == set()


def test_a_module_that_needs_an_extra_is_found(sample, tmp_path):
    """A room that imports numpy, or a module that does, fails where numpy is blocked."""
    sample("", "fluxhouse/__init__.py")
    sample("import numpy.linalg\n", "fluxhouse/painter.py")
    sample("import fluxhouse.painter\n", "fluxhouse/gallery.py")
    failures = import_failures({"fluxhouse", "fluxhouse.painter", "fluxhouse.gallery"}, tmp_path / "sample")
    assert failures["fluxhouse.painter"].startswith("numpy")
    assert set(failures) == {"fluxhouse.painter", "fluxhouse.gallery"}


def test_the_device_side_is_found_through_neighbours(sample):
    """A module of the engine that imports a torch-using neighbour is on the device side too."""
    sample("import torch\n", "engine/sampling.py")
    sample("from fluxhouse.engine.sampling import noise\n", "engine/runner.py")
    sample("from fluxhouse.engine import runner\n", "engine/process.py")
    sources = sample("from fluxhouse.generation import image\n", "engine/engine.py")
    assert device_side(sources) == {f"fluxhouse.engine.{name}" for name in ("sampling", "runner", "process")}
