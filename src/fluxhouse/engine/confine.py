"""What the engine's process may not do, enforced inside it: outlive its parent, reach a network, start programs, write.

`python -m fluxhouse.engine.confine FD` leaves the network while the process has one thread, as the kernel asks, and
then becomes `fluxhouse.engine.process FD`. The audit hook is set there, after the libraries are loaded.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_REFUSED = frozenset(
    {
        "socket.__new__",
        "socket.bind",
        "socket.connect",
        "socket.getaddrinfo",
        "socket.gethostbyname",
        "socket.sendto",
        "subprocess.Popen",
        "os.system",
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.spawn",
        "os.remove",
        "os.rename",
        "os.rmdir",
        "os.mkdir",
        "os.link",
        "os.symlink",
        "os.truncate",
        "os.chmod",
        "os.chown",
    }
)
_SYSTEM = ("/proc", "/sys", "/dev", "/usr", "/lib", "/lib64", "/etc", "/opt")


class Readable:
    """The paths that the process may open, beside the interpreter's and the system's own."""

    def __init__(self, folders: Iterable[Path]) -> None:
        own = (sys.prefix, sys.base_prefix, *(entry for entry in sys.path if entry))
        wanted = (*own, *(str(folder) for folder in folders))
        self._roots = tuple({*_SYSTEM, *map(os.path.abspath, wanted), *map(os.path.realpath, wanted)})
        self._files: frozenset[str] = frozenset()

    def admit(self, files: Iterable[Path]) -> None:
        """Let exactly these input files be opened, beside the roots."""
        self._files = frozenset(str(file) for file in files)

    def holds(self, path: str) -> bool:
        where = os.path.abspath(path)
        return where in self._files or any(where == root or where.startswith(root + os.sep) for root in self._roots)


def refuse_the_rest(readable: Readable) -> None:
    """From now on sockets, programs, writes and other paths raise PermissionError. It cannot be taken back."""

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _REFUSED:
            raise PermissionError(f"the engine's process may not: {event}")
        if event == "open":
            _check_open(readable, *arguments)

    sys.addaudithook(audit)


def _check_open(readable: Readable, path: Any, _mode: Any, flags: int) -> None:
    if not isinstance(path, str | bytes | os.PathLike):
        return  # An open file descriptor.
    name = os.fsdecode(path)
    if flags & _WRITING and name != os.devnull:
        raise PermissionError(f"the engine's process may not write: {name}")
    if not readable.holds(name):
        raise PermissionError(f"the engine's process may not read: {name}")


def end_with_parent() -> None:
    """Have the kernel kill this process when its parent ends; elsewhere than on Linux the closed link does it."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def leave_network() -> bool:
    """Move to an empty network namespace where the kernel allows; say whether it did."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) == 0:
        return True
    user, group = os.getuid(), os.getgid()
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        return False
    # Keep the identity that owns the weights; without it nothing but the name changes.
    with contextlib.suppress(OSError):
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    return True


def main() -> None:
    """Confine, then become the process that serves the link at descriptor FD."""
    end_with_parent()
    leave_network()
    link = int(sys.argv[1])
    os.set_inheritable(link, True)
    os.execv(sys.executable, [sys.executable, "-m", "fluxhouse.engine.process", str(link)])


if __name__ == "__main__":
    main()
