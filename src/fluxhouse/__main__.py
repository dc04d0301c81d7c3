"""`python -m fluxhouse`."""

from fluxhouse.cli.main import main

if __name__ == "__main__":
    main()
