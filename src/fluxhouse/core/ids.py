"""Names nobody can guess: 128 random bits as 32 hexadecimal characters."""

import secrets


def new_id() -> str:
    """A fresh id; each dialect spells it in its own way."""
    return secrets.token_hex(16)
