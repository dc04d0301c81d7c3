"""An S3 service in this process, and buckets in it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from itertools import count

import httpx2
import pytest
from moto.server import ThreadedMotoServer

_numbers = count()
# The service reads from this header only that it is S3 which is meant.
SIGNED = {"authorization": "AWS4-HMAC-SHA256 Credential=writer/20261120/us-east-1/s3/aws4_request"}


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The address of an S3 service, whose credentials stand in the environment and nothing else about S3 does."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(("AWS_", "MOTO_")):
                patch.delenv(name)
        patch.setenv("AWS_ACCESS_KEY_ID", "writer")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "the-secret-of-the-writer")
        server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
        server.stop()


@pytest.fixture
def new_bucket(s3_endpoint: str) -> Callable[[], str]:
    """Makes an empty bucket and returns its name."""

    def make() -> str:
        name = f"pictures-{next(_numbers)}"
        httpx2.put(f"{s3_endpoint}/{name}", headers=SIGNED).raise_for_status()
        return name

    return make
