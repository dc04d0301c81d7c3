"""The engine's process never outlives its parent."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

PARENT = """
import asyncio, sys, time
from pathlib import Path
from fluxhouse.engine.engine import Engine
from fluxhouse.engine.options import EngineOptions, ModelWeights

async def main():
    engine = Engine(EngineOptions({"flux": ModelWeights(Path(sys.argv[1]), 4, 3.5, 48)}))
    await engine.start()
    assert "torch" not in sys.modules
    sys.stdout.write(f"{engine.pid}\\n")
    sys.stdout.flush()
    time.sleep(60)

asyncio.run(main())
"""


def test_its_process_ends_with_its_parent(checkpoint: Path) -> None:
    """kill -9 of the parent leaves no process behind, and the parent never imported torch."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(checkpoint)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        pid = next(line.strip() for line in parent.stdout if line.strip().isdigit())
        parent.kill()
        parent.wait()
    stat = Path(f"/proc/{pid}/stat")
    for _ in range(100):
        if not stat.exists() or stat.read_text().split()[2] == "Z":
            return
        time.sleep(0.05)
    pytest.fail("the engine's process outlived its parent")
