"""`python -m fluxhouse.engine.launch MODULE ARG…`: import a program without a stop, and run its `main`.

Garbage is looked for only afterwards, and never among what was imported: the walks through all of torch took a third of
the start, and each would later stop a step for a third of a second.
"""

from __future__ import annotations

import gc
import sys
from importlib import import_module


def launch(program: str) -> None:
    """Import the program and run its `main`; ends the process as that does."""
    gc.disable()
    main = import_module(program).main
    gc.freeze()
    gc.enable()
    sys.exit(main())


if __name__ == "__main__":
    del sys.argv[0]
    launch(sys.argv[0])
