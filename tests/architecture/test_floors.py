"""The layer contracts fail when somebody climbs, walks in a circle or opens a neighbour's door."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOMS = (
    *("cli", "assembly", "app", "probes", "dialects", "console", "worker", "core", "settings", "engine"),
    *("builtin", "catalog", "storage", "generation", "database", "tracing", "providers"),
    *("dialects/dialect", "dialects/native", "dialects/pixazo", "providers/vendor", "providers/fal"),
)


@pytest.fixture
def lint(root, tmp_path):
    """Builds an empty house of all rooms, adds the given lines to rooms, and lints it by the real contracts."""

    def run(**lines):
        for room in ("", *ROOMS):
            folder = tmp_path / "fluxhouse" / room
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "__init__.py").write_text("")
        for path, line in lines.items():
            target = tmp_path / "fluxhouse" / path.replace("__", "/")
            target.mkdir(exist_ok=True)
            (target / "__init__.py").write_text(line + "\n")
        shutil.copy(root / "pyproject.toml", tmp_path)
        command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
        environment = os.environ | {"PYTHONPATH": str(tmp_path), "NO_COLOR": "1", "COLUMNS": "200"}
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120
        )

    return run


def test_imports_that_go_down_are_kept(lint):
    """A house whose imports only go down keeps every contract."""
    ended = lint(
        cli="import fluxhouse.assembly, fluxhouse.settings",
        assembly="import fluxhouse.app, fluxhouse.worker, fluxhouse.engine, fluxhouse.settings",
        dialects__native="import fluxhouse.dialects.dialect",
        dialects__dialect="import fluxhouse.core",
        core="import fluxhouse.database, fluxhouse.catalog",
        engine="import fluxhouse.generation",
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert " 0 broken" in ended.stdout


@pytest.mark.parametrize(
    ("lines", "contract"),
    [
        ({"core": "import fluxhouse.worker"}, "A room imports only from the floors below it"),
        ({"generation": "import fluxhouse.catalog"}, "A room imports only from the floors below it"),
        ({"catalog": "import fluxhouse.storage"}, "A room imports only from the floors below it"),
        ({"engine": "import fluxhouse.builtin"}, "A room imports only from the floors below it"),
        ({"console": "import fluxhouse.dialects"}, "A room imports only from the floors below it"),
        ({"kitchen": ""}, "A room imports only from the floors below it"),
        (
            {
                "core__jobs": "import fluxhouse.core.ledger",
                "core__ledger": "import fluxhouse.core.queue",
                "core__queue": "import fluxhouse.core.jobs",
            },
            "No two siblings import each other, at any depth",
        ),
        ({"dialects__pixazo": "import fluxhouse.dialects.native"}, "Dialects share one door"),
        ({"dialects__dialect": "import fluxhouse.dialects.native"}, "Dialects share one door"),
        ({"dialects__gossip": ""}, "Dialects share one door"),
        ({"engine": "import fluxhouse.database"}, "What makes images knows no account"),
        ({"engine": "import fluxhouse.core"}, "What makes images knows no account"),
        ({"providers": "import fluxhouse.core"}, "What makes images knows no account"),
        ({"providers__vendor": "import fluxhouse.providers.fal"}, "Providers know nothing of each other"),
        ({"providers__gossip": ""}, "Providers know nothing of each other"),
        ({"worker": "import fluxhouse.engine"}, "Backends are handed in"),
        ({"worker": "import fluxhouse.providers"}, "Backends are handed in"),
        ({"dialects": "import fluxhouse.settings"}, "Settings are read at the top and passed down"),
    ],
    ids=str,
)
def test_an_import_that_breaks_the_house_is_found(lint, lines, contract):
    """Each contract names itself when it is broken."""
    ended = lint(**lines)
    broken = [line for line in ended.stdout.splitlines() if line.rstrip().endswith("BROKEN")]
    assert ended.returncode != 0
    assert any(line.startswith(contract) for line in broken), ended.stdout + ended.stderr
