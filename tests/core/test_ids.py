"""Ids: random UUIDs in 32 characters, never the same."""

import re
import uuid

from fluxhouse.core.ids import new_id


def test_ids_are_random_and_of_one_shape():
    """A thousand of them are a thousand different lines of 32 hexadecimal characters."""
    made = {new_id() for _ in range(1000)}
    assert len(made) == 1000
    assert all(re.fullmatch(r"[0-9a-f]{32}", each) for each in made)


def test_an_id_is_a_uuid_of_version_4():
    """Whoever reads one as a UUID finds the version and the variant that the standard asks for."""
    read = uuid.UUID(new_id())
    assert (read.version, read.variant) == (4, uuid.RFC_4122)
