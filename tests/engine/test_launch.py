"""A launched program runs as if it had been started itself, but for how it looks for garbage."""

import subprocess
import sys

PROGRAM = """
import gc
import sys

while_imported = gc.isenabled()

def main():
    print(while_imported, gc.isenabled(), gc.get_freeze_count() > 1000, *sys.argv)
    return 3
"""


def test_a_program_is_imported_without_looking_for_garbage(tmp_path):
    """Its imports are never walked through; its arguments and its exit code are its own."""
    (tmp_path / "program.py").write_text(PROGRAM)
    line = [sys.executable, "-m", "fluxhouse.engine.launch", "program", "7", "of it"]
    ended = subprocess.run(line, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (3, "False True True program 7 of it\n"), ended.stderr
