"""The embedded database: always alone, and honest about a disk that is full."""

import pytest
from sqlalchemy import make_url

from fluxhouse.database.embedded import Embedded
from fluxhouse.generation.errors import DatabaseUnavailable


@pytest.fixture
def embedded(tmp_path):
    one = Embedded(make_url(f"sqlite:///{tmp_path}/house.db"))
    one.start()
    yield one
    one.close()


def do(embedded, statement):
    return embedded.submit(lambda connection: connection.exec_driver_sql(statement).rowcount).result(10)


def test_one_process_is_always_alone(embedded):
    """The data folder's lock lets no second process in, so nobody has to be asked."""
    with embedded.alone("sweep") as first, embedded.alone("sweep") as second:
        assert (first, second) == (True, True)


def test_a_full_disk_is_an_outage_until_something_can_be_written_again(embedded):
    """Writes raise `DatabaseUnavailable`, the ping too, reads go on; with room again all is as before."""
    do(embedded, "CREATE TABLE notes (text)")
    do(embedded, "PRAGMA max_page_count=3")
    with pytest.raises(DatabaseUnavailable):
        do(embedded, "INSERT INTO notes VALUES (zeroblob(100000))")
    assert embedded._writer.outage is not None
    assert embedded.ask(lambda c: c.exec_driver_sql("SELECT count(*) FROM notes").scalar()).result(10) == 0
    do(embedded, "PRAGMA max_page_count=1000000")
    assert do(embedded, "INSERT INTO notes VALUES (zeroblob(100000))") == 1
    embedded.ping()
    assert embedded._writer.outage is None


def test_a_file_that_cannot_be_written_is_an_outage(embedded):
    """While nothing can be written the ping says so, and it finds out by itself when that is over."""
    do(embedded, "CREATE TABLE notes (text)")
    do(embedded, "PRAGMA query_only=ON")  # what the driver says of a disk that went read-only
    with pytest.raises(DatabaseUnavailable):
        do(embedded, "INSERT INTO notes VALUES (1)")
    with pytest.raises(DatabaseUnavailable):
        embedded.ping()
    raw = embedded._writing.raw_connection()
    raw.driver_connection.execute("PRAGMA query_only=OFF")
    raw.close()
    embedded.ping()
    assert do(embedded, "INSERT INTO notes VALUES (1)") == 1
