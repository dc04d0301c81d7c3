"""Processor time is counted where it is spent."""

from __future__ import annotations

import os
import subprocess
import sys

from fluxhouse.cli.bench.processor import Stopwatch, children, seconds

_SPIN = "import time\nwhile time.process_time() < {seconds}: pass\nprint('done', flush=True)\ninput()"


def test_a_stopwatch_tells_the_servers_from_the_load() -> None:
    """What another process spends counts as the servers', not as the load's, and not what it spent before."""
    command = [sys.executable, "-c", _SPIN.format(seconds=0.3)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        watch = Stopwatch([other.pid], None)
        assert other.stdout is not None
        assert other.stdout.readline() == b"done\n"
        spent = watch.spent()
        assert 0.25 <= spent.servers < 1.0
        assert spent.load < 0.2
        assert spent.database is None
        assert spent.total == spent.servers + spent.load

        late = Stopwatch([other.pid], other.pid).spent()
        assert (late.servers, late.database) == (0.0, 0.0)
        assert other.pid in children(os.getpid())
        other.communicate(b"\n")


def test_time_of_children_counts_while_they_run_and_after() -> None:
    """A process answers for its children, ended ones included, and one that is gone for nothing."""
    before = seconds(os.getpid())
    subprocess.run([sys.executable, "-c", _SPIN.format(seconds=0.2)], input=b"\n", stdout=subprocess.PIPE, check=True)
    assert seconds(os.getpid()) - before >= 0.15

    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert seconds(ended.pid) == 0.0
