"""The room as its users meet it: what it exports, what it weighs, and the guide's own examples at work."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fluxhouse
from fluxhouse import client

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "howto" / "python-sdk.md").read_text("utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)


def test_what_is_exported_is_there():
    """Sorted, whole, and both clients stand at the root."""
    assert sorted(client.__all__) == client.__all__
    assert all(hasattr(client, name) for name in client.__all__)
    assert (fluxhouse.Client, fluxhouse.AsyncClient) == (client.Client, client.AsyncClient)
    errors = {name for name, value in vars(client.errors).items() if isinstance(value, type)}
    assert {name for name in errors if issubclass(getattr(client.errors, name), client.FluxhouseError)} <= {
        *client.__all__
    }


def test_the_guide_names_every_error():
    """Whoever reads it knows what to catch."""
    errors = [name for name in client.__all__ if isinstance(getattr(client, name), type)]
    errors = [name for name in errors if issubclass(getattr(client, name), client.FluxhouseError)]
    assert [name for name in errors if f"`{name}`" not in GUIDE] == []


def test_the_import_is_light():
    """The root and its clients load httpx2 and the standard library, and no other room."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}

    def loaded(module):
        command = [sys.executable, "-c", f"import sys, {module}; print(*sys.modules)"]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
        return {name for name in ended.stdout.split() if name.partition(".")[0] not in sys.stdlib_module_names}

    more = loaded("fluxhouse") - loaded("httpx2")
    assert {name for name in more if not name.startswith("fluxhouse.client")} == {"fluxhouse"}


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_the_guides_examples_work(installation, key, photo, lora_file, tmp_path, number):
    """Each as it stands there, in a process of its own."""
    (tmp_path / "fox.png").write_bytes(photo)
    (tmp_path / "style.safetensors").write_bytes(lora_file(1))
    environment = os.environ | {"FLUXHOUSE_API_KEY": key, "FLUXHOUSE_API_URL": installation.url}
    environment["PYTHONPATH"] = str(ROOT / "src")
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", EXAMPLES[number]],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_guide_has_its_examples():
    """One for each part."""
    assert len(EXAMPLES) == 8
