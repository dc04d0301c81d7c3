"""What the engine's process may not do, enforced inside it: outlive its parent, reach a network, start programs, write.

`python -P -m fluxhouse.engine.confine FD PATH…` closes what it inherited beside FD, leaves the network and gives up
every file but its own and the PATHs while the process has one thread, as the kernel asks, and then becomes
`fluxhouse.engine.process FD LANDLOCK`, told which version of Landlock is in force (0: none). The audit hook, which also
holds without Landlock, is set there, after the libraries are loaded.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import site
import sys
from collections.abc import Iterable, Iterator
from glob import glob
from pathlib import Path
from typing import Any

from fluxhouse.engine import landlock

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
        "os.kill",
        "os.remove",
        "os.rename",
        "os.rmdir",
        "os.mkdir",
        "os.link",
        "os.symlink",
        "os.truncate",
        "os.chmod",
        "os.chown",
        "ctypes.dlopen",
        "ctypes.dlsym",
        "ctypes.dlsym/handle",
        "ctypes.call_function",
        "ctypes.string_at",
        "ctypes.wstring_at",
    }
)
_LISTING = frozenset({"os.listdir", "os.scandir"})

# Never /usr, /opt or /etc as a whole: people keep installations and passwords there.
_SYSTEM = (
    *("/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libexec", "/usr/share"),
    *("/usr/local/lib", "/usr/local/lib64", "/usr/local/share", "/nix/store", "/gnu/store", "/run/opengl-driver"),
    *("/opt/nvidia", "/opt/cuda", "/opt/intel", "/opt/rocm", *glob("/usr/local/cuda*")),
    *(f"/etc/{name}" for name in ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "ld.so.preload", "localtime")),
    *(f"/etc/{name}" for name in ("nsswitch.conf", "passwd", "group", "os-release", "mime.types", "OpenCL", "nvidia")),
    *("/etc/ssl/openssl.cnf", "/etc/locale.alias", "/etc/timezone"),
    *("/sys/devices", "/sys/bus", "/sys/class", "/sys/module", "/sys/fs/cgroup", "/sys/kernel/mm"),
    *(f"/proc/{name}" for name in ("cpuinfo", "meminfo", "stat", "version", "filesystems", "devices", "modules")),
    *("/proc/sys", "/proc/driver", "/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"),
)
_DEVICES = ("/dev/null", "/dev/shm", "/dev/dri", "/dev/nvidia-caps", *glob("/dev/nvidia*"))
_MANY_DESCRIPTORS = 1 << 20
_OF_AN_INSTALLATION = ("bin", "lib", "lib32", "lib64", "share", "etc", "ssl", "pyvenv.cfg")


class Readable:
    """The paths that the process may open, beside the interpreter's and the system's own."""

    def __init__(self, folders: Iterable[Path]) -> None:
        granted = tuple(os.path.realpath(folder) for folder in folders)
        own = (*_interpreter(), *_packages(granted), f"/proc/{os.getpid()}", *_DEVICES, *_SYSTEM)
        self.roots = tuple(sorted({*map(os.path.realpath, own), *granted}))
        self._files: frozenset[str] = frozenset()

    def admit(self, files: Iterable[Path]) -> None:
        """Let exactly these input files be opened, beside the roots."""
        self._files = frozenset(os.path.realpath(file) for file in files)

    def holds(self, path: str) -> bool:
        """Whether the file behind every link of the path lies in reach."""
        where = os.path.realpath(path)
        return where in self._files or any(_lies_in(where, root) for root in self.roots)


def _lies_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _interpreter() -> Iterator[str]:
    yield sys.executable
    for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix):
        yield from (os.path.join(prefix, name) for name in _OF_AN_INSTALLATION)


def _packages(granted: tuple[str, ...]) -> Iterator[str]:
    """Where modules come from, but for an entry with a granted folder inside it: that holds the data, not packages.

    A granted folder inside this package is the model that ships with it, and no data.
    """
    own = str(Path(__file__).parents[1])
    yield own
    foreign = [folder for folder in granted if not _lies_in(folder, os.path.realpath(own))]
    wanted = (*sys.path, *site.getsitepackages(), *os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep))
    for entry in filter(os.path.isabs, wanted):
        if not any(_lies_in(folder, os.path.realpath(entry)) for folder in foreign):
            yield entry


def with_targets(folders: Iterable[Path]) -> list[Path]:
    """The folders, and what links inside them lead to: a hub's cache keeps its files elsewhere."""
    found: list[Path] = []
    pending = list(folders)
    while pending:
        folder = pending.pop()
        if folder in found:
            continue
        found.append(folder)
        for inner, folders_inside, files in os.walk(folder):
            links = [Path(inner, name) for name in (*folders_inside, *files)]
            pending.extend(link.resolve() for link in links if link.is_symlink())
    return found


def refuse_the_rest(readable: Readable) -> None:
    """From now on sockets, programs, writes and other paths raise PermissionError. It cannot be taken back."""

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _REFUSED:
            raise PermissionError(f"the engine's process may not: {event}")
        if event == "open":
            _check_open(readable, *arguments)
        elif event in _LISTING:
            _check_read(readable, "." if arguments[0] is None else arguments[0])

    sys.addaudithook(audit)


def _check_open(readable: Readable, path: Any, _mode: Any, flags: int) -> None:
    if isinstance(path, str | bytes | os.PathLike) and flags & _WRITING and os.fsdecode(path) != os.devnull:
        raise PermissionError(f"the engine's process may not write: {os.fsdecode(path)}")
    _check_read(readable, path)


def _check_read(readable: Readable, path: Any) -> None:
    if not isinstance(path, str | bytes | os.PathLike):
        return  # An open file descriptor.
    if not readable.holds(os.fsdecode(path)):
        raise PermissionError(f"the engine's process may not read: {os.fsdecode(path)}")


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


def close_others(link: int) -> None:
    """Close every descriptor but the three standard ones and the link: what the parent inherited is none of ours."""
    last = os.sysconf("SC_OPEN_MAX")
    os.closerange(3, link)
    os.closerange(link + 1, last if last > 0 else _MANY_DESCRIPTORS)


def main() -> None:
    """Confine, then become the process that serves the link at descriptor FD."""
    link = int(sys.argv[1])
    end_with_parent()
    close_others(link)
    leave_network()
    in_force = 0
    with contextlib.suppress(OSError):  # A container may forbid the call; the audit hook still holds.
        in_force = landlock.restrict(Readable(map(Path, sys.argv[2:])).roots, _DEVICES)
    os.set_inheritable(link, True)
    program = ["fluxhouse.engine.launch", "fluxhouse.engine.process", str(link), str(in_force)]
    os.execv(sys.executable, [sys.executable, "-P", "-m", *program])


if __name__ == "__main__":
    main()
