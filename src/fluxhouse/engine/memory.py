"""How much memory a device has, and how much of it models may take; torch-free."""

from __future__ import annotations

import re
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

_SHARES = {"cpu": 0.7, "cuda": 0.85}
"""What models may take of a device's memory where the operator does not say; the rest is for what steps compute."""


def budget_bytes(device: str, total_bytes: int | None = None) -> int:
    """Bytes that models may take on the device of so much memory; asked of the machine where it is not given.

    Where nobody can say how much there is, it is as if there were no end to it.
    """
    kind = device.partition(":")[0]
    found = total_bytes or (machine_bytes() if kind == "cpu" else accelerator_bytes(device))
    return 2**63 if found is None else int(found * _SHARES[kind])


def machine_bytes() -> int | None:
    """The memory of this machine or, where it is less, of the container this runs in."""
    found = []
    with suppress(OSError):
        kilobytes = re.search(r"^MemTotal: +(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
        found += [int(kilobytes[1]) * 1024] if kilobytes else []
    with suppress(OSError, ValueError):
        found.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return min(found, default=None)


def accelerator_bytes(device: str) -> int | None:
    """The memory of an NVIDIA device such as `cuda:1`, asked of its driver's own program."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    number = device.partition(":")[2] or "0"
    asked = [program, f"--id={number}", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True).stdout
        return int(answer.strip()) * 2**20
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def gigabytes(count: int) -> str:
    """Bytes as people read them: 33.7 GB, or 8.9 MB below one."""
    return f"{count / 10**9:.1f} GB" if count >= 10**9 else f"{count / 10**6:.1f} MB"
