"""The embedded database is always alone."""

from sqlalchemy import make_url

from fluxhouse.database.embedded import Embedded


def test_one_process_is_always_alone(tmp_path):
    """The data folder's lock lets no second process in, so nobody has to be asked."""
    embedded = Embedded(make_url(f"sqlite:///{tmp_path}/house.db"))
    with embedded.alone("sweep") as first, embedded.alone("sweep") as second:
        assert (first, second) == (True, True)
    embedded.close()
