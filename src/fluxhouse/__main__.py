"""`python -m fluxhouse`, and `fluxhouse`."""

from fluxhouse.engine.launch import launch


def main() -> None:
    """The command line."""
    launch("fluxhouse.cli.main")


if __name__ == "__main__":
    main()
