"""`python -m fluxhouse`."""

from fluxhouse.engine.launch import launch

if __name__ == "__main__":
    launch("fluxhouse.cli.main")
