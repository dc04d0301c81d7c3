"""Names nobody can guess: random UUIDs (RFC 9562, version 4) as 32 hexadecimal characters."""

import uuid


def new_id() -> str:
    """A fresh id of 122 random bits; each dialect spells it in its own way."""
    return uuid.uuid4().hex
