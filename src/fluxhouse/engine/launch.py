"""`python -m fluxhouse.engine.launch MODULE ARG…`: import a program without a stop, and run its `main`.

Garbage is looked for only afterwards, and never among what was imported: the walks through all of torch took a fifth of
the start, and each would later stop a step for a third of a second.
"""

from __future__ import annotations

import gc
import importlib
import sys


def main() -> None:
    """Run the program that the first argument names, with the arguments that follow; ends as it does."""
    gc.disable()
    del sys.argv[0]
    program = importlib.import_module(sys.argv[0])
    gc.freeze()
    gc.enable()
    sys.exit(program.main())


if __name__ == "__main__":
    main()
