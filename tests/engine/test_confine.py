"""What the engine's process may not do is refused inside it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from fluxhouse.engine import confine

ATTEMPTS = {
    "connecting": "import socket; socket.create_connection(('127.0.0.1', 9))",
    "a socket": "import socket; socket.socket()",
    "resolving": "import socket; socket.getaddrinfo('localhost', 80)",
    "a program": "import subprocess; subprocess.run(['true'])",
    "a shell": "import os; os.system('true')",
    "a fork": "import os; os.fork()",
    "writing": "open(readable / 'new', 'w')",
    "writing by descriptor": "import os; os.open(readable / 'new', os.O_WRONLY | os.O_CREAT)",
    "removing": "(readable / 'weights').unlink()",
    "reading elsewhere": "open(other)",
    "reading by a link": "open(f'/proc/self/root{other}')",
    "a foreign environment": "open(f'/proc/{os.getppid()}/environ')",
    "listing": "os.listdir(other.parent)",
    "listing by another way": "list(other.parent.iterdir())",
    "walking": "os.scandir('/')",
    "native code": "import ctypes; ctypes.CDLL(None)",
    "native symbols": "import ctypes; ctypes.pythonapi.PyEval_InitThreads",
}
ALLOWED = "open(readable / 'weights').read(); open(given).read(); open('/proc/self/stat').read(); import json, wave"


def confined(code: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run code in a process that has set the hook."""
    readable, given, other = tmp_path / "model", tmp_path / "input.png", tmp_path / "other"
    readable.mkdir()
    for path in (readable / "weights", given, other):
        path.write_text("x")
    lines = [
        "import os, socket, subprocess",
        "from pathlib import Path",
        "from fluxhouse.engine import confine",
        f"readable, given, other = Path({str(readable)!r}), Path({str(given)!r}), Path({str(other)!r})",
        "paths = confine.Readable([readable])",
        "confine.refuse_the_rest(paths)",
        "paths.admit([given])",
        code,
    ]
    return subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False)


def test_weights_in_the_package_hide_no_module(tmp_path: Path) -> None:
    """A folder of modules that holds a granted one is data, and stays hidden; not so for the model that ships."""
    modules, data = tmp_path / "modules", tmp_path / "data"
    shipped = Path(confine.__file__).parents[1] / "builtin" / "weights"
    folders = [str(modules), str(data), str(shipped.parents[2])]
    code = f"import sys; sys.path += {folders}; from fluxhouse.engine import confine; from pathlib import Path; "
    code += f"print(confine.Readable([Path({str(data / 'model')!r}), Path({str(shipped)!r})]).roots)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    roots = ast.literal_eval(ended.stdout)
    assert {str(modules), str(shipped.parents[2]), str(shipped), str(data / "model")} <= set(roots)
    assert str(data) not in roots


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_what_is_not_its_work_is_refused(attempt: str, tmp_path: Path) -> None:
    """Sockets, programs, writes and foreign files raise PermissionError."""
    ended = confined(ATTEMPTS[attempt], tmp_path)
    assert ended.returncode == 1
    assert "PermissionError: the engine's process may not" in ended.stderr


def test_its_work_is_allowed(tmp_path: Path) -> None:
    """Weights, given inputs, the system's files and lazy imports can be read."""
    ended = confined(ALLOWED, tmp_path)
    assert ended.returncode == 0, ended.stderr
