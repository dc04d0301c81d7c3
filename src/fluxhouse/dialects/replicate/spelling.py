"""Ids and moments as Replicate spells them: 128 bits in 26 lower-case letters and digits, time to the microsecond."""

from __future__ import annotations

from datetime import datetime

# Crockford's alphabet, in lower case: no letter that is taken for a digit.
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
LENGTH = 26
ID_PATTERN = rf"[{_DIGITS}]{{{LENGTH}}}"


def spelled(own_id: str) -> str:
    """32 hexadecimal characters as 26 of this alphabet, the first of them 0 to 7."""
    number = int(own_id, 16)
    return "".join(_DIGITS[number >> 5 * place & 31] for place in reversed(range(LENGTH)))


def own_id(text: str) -> str | None:
    """What `spelled` spelled so, None where it spells nothing so."""
    if len(text) != LENGTH or any(letter not in _VALUES for letter in text):
        return None
    number = 0
    for letter in text:
        number = number << 5 | _VALUES[letter]
    return f"{number:032x}" if number < 1 << 128 else None


def moment(at: datetime) -> str:
    """ISO 8601 in UTC with microseconds and `Z`."""
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
