"""The engine as `serve` starts it, in the folder that holds its data, reads neither secrets nor other processes."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from PIL import Image
from tests.handset.make import make

from fluxhouse.engine import landlock

# Loaded by the engine's process itself, before ours: it waits for the moment from which the process must be confined.
PROBE = """
import ctypes, json, os, sys, threading
from pathlib import Path

if "fluxhouse.engine.process" in sys.orig_argv:
    libc = ctypes.CDLL(None, use_errno=True)
    confined = threading.Event()
    sys.addaudithook(lambda event, _: confined.set() if event == "sys.addaudithook" else None)

    def tried(attempt, path):
        try:
            return "refused" if attempt(path) == -1 else "granted"
        except PermissionError:
            return "refused"

    def probe():
        confined.wait()
        threading.Event().wait(0.5)  # The event precedes the hook.
        parent, data = os.getppid(), Path(os.environ["VIRTUAL_ENV"])
        paths = {
            "secret": data / "secret",
            "database": data / "fluxhouse.db",
            "parent": f"/proc/{parent}/environ",
            "root": f"/proc/self/root{data}/secret",
            "parent's root": f"/proc/{parent}/root{data}/secret",
            "link": data / "files" / "link.png",
            "outside": Path(__file__).parent.parent / "outside",
            "passwords": "/etc/shadow",
        }
        said = {}
        for name, path in paths.items():
            said[f"{name}: open"] = tried(open, path)
            said[f"{name}: os.open"] = tried(lambda p: os.open(p, os.O_RDONLY), path)
            said[f"{name}: kernel"] = tried(lambda p: libc.open(os.fsencode(p), 0), path)
        for name, folder in {"data": data, "files": data / "files", "processes": "/proc", "/": "/"}.items():
            said[f"{name}: listdir"] = tried(os.listdir, folder)
            said[f"{name}: scandir"] = tried(os.scandir, folder)
        said["here: listdir"] = tried(lambda _: os.listdir(), None)
        said["ctypes"] = tried(ctypes.CDLL, None)
        said["a symbol"] = tried(lambda _: libc.execve, None)
        creating = os.O_WRONLY | os.O_CREAT
        said["writing: kernel"] = tried(lambda p: libc.open(os.fsencode(p), creating, 0o600), data / "new")
        said["own: open"] = tried(open, "/proc/self/status")
        said["memory: open"] = tried(open, "/proc/meminfo")
        descriptors = [os.readlink(f"/proc/self/fd/{number}") for number in range(3, 300)
                       if os.path.exists(f"/proc/self/fd/{number}")]
        os.write(2, ("PROBE " + json.dumps({"said": said, "descriptors": descriptors}) + chr(10)).encode())

    threading.Thread(target=probe, daemon=True).start()
"""

PARENT = """
import asyncio, os, sys
from pathlib import Path
import uvloop
from fluxhouse.engine.engine import Engine
from fluxhouse.engine.options import EngineOptions, ModelWeights
from fluxhouse.generation.image import MadeImage
from fluxhouse.generation.request import GenerationRequest, Task

async def main():
    data = Path("fluxhouse-data")
    weights = ModelWeights(data / "models" / "linked", 1, 3.5, 48, fit_references=True)
    engine = Engine(EngineOptions({"flux": weights}, threads=1, readable=(data / "files",)))
    await engine.start()
    request = GenerationRequest(model="flux", prompt="a fox", width=64, height=64, seed=1, task=Task.EDIT)
    later = data / "files" / "inputs" / "later.png"
    later.parent.mkdir()
    os.rename(data / "files" / "given.png", later)
    async for event in engine.generate(request, [later]):
        if isinstance(event, MadeImage):
            print("MADE", flush=True)
    await asyncio.sleep(2)
    await engine.close()

runner = asyncio.Runner(loop_factory=uvloop.new_event_loop if sys.argv[1] == "uvloop" else None)
with runner:
    runner.run(main())
"""


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What the engine's process could do, started from a folder with the data in it, by a parent with secrets."""
    base = tmp_path_factory.mktemp("installation")
    (base / "outside").write_text("x")
    data, probe = base / "here" / "fluxhouse-data", base / "probe"
    (data / "files").mkdir(parents=True)
    probe.mkdir()
    (probe / "sitecustomize.py").write_text(textwrap.dedent(PROBE))
    for name in ("secret", "fluxhouse.db"):
        (data / name).write_text("x")
    (data / "files" / "link.png").symlink_to(data / "secret")
    Image.new("RGB", (64, 64), "red").save(data / "files" / "given.png")
    make(base / "checkpoint")
    (data / "models" / "linked").mkdir(parents=True)  # As a hub's cache keeps them: links to files elsewhere.
    for part in (base / "checkpoint").iterdir():
        (data / "models" / "linked" / part.name).symlink_to(part)
    # A relative entry as well: `python -m` in a checkout has one.
    source = Path(landlock.__file__).parents[2]
    environment = os.environ | {
        "FLUXHOUSE_SECRET": "s3cret",
        "PYTHONPATH": os.pathsep.join([str(probe), ".", str(source)]),
        "VIRTUAL_ENV": str(data),  # One of the few variables that are passed on: it tells the probe where to look.
    }
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    ended = subprocess.run(
        [sys.executable, "-c", PARENT, "uvloop"],
        cwd=base / "here",
        env=environment,
        pass_fds=[writer],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    os.close(reader)
    os.close(writer)
    assert "MADE" in ended.stdout, ended.stderr
    (line,) = [line for line in ended.stderr.splitlines() if line.startswith("PROBE ")]
    seen: dict[str, object] = json.loads(line.removeprefix("PROBE "))
    return seen


def test_secrets_and_other_processes_are_out_of_its_reach(probed: dict[str, dict[str, str]]) -> None:
    """Secret, database, the parent's environment and every way around are refused; what it needs is granted."""
    granted = {name for name, outcome in probed["said"].items() if outcome == "granted"}
    by_kernel = {name for name in probed["said"] if name.endswith("kernel")}
    allowed = {"own: open", "memory: open"} | (by_kernel if landlock.version() == 0 else set())
    assert {"own: open", "memory: open"} <= granted <= allowed


def test_it_inherits_its_link_and_nothing_else(probed: dict[str, list[str]]) -> None:
    """A descriptor that the server inherited itself does not reach the engine's process."""
    assert [link.partition(":")[0] for link in probed["descriptors"] if link.startswith(("socket", "pipe"))] == [
        "socket"
    ]
