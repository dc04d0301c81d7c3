"""Logs are one JSON object a line where a machine reads them, and show no values of variables."""

import json
import logging
import sys

import pytest
import structlog

from fluxhouse.cli.logs import log_by
from fluxhouse.settings import Settings


@pytest.fixture
def logged(capsys):
    """Everything logged in the block, line by line."""
    handlers, level = logging.root.handlers[:], logging.root.level

    def lines(log_format, log_level="info"):
        log_by(Settings(log_format=log_format, log_level=log_level))
        structlog.get_logger().debug("too_small")
        structlog.get_logger().info("job_started", job_id="abc")
        secret = "fh_key_in_a_variable"
        try:
            raise ValueError(f"{len(secret)} characters")
        except ValueError:
            structlog.get_logger().exception("crashed")
        logging.getLogger("library").warning("from a library")
        return capsys.readouterr().err

    yield lines
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()


def test_machines_get_json(logged):
    """Our own events and a library's are JSON with time and level; a traceback is text without local variables."""
    text = logged("json")
    events = [json.loads(line) for line in text.splitlines()]
    assert [event["event"] for event in events] == ["job_started", "crashed", "from a library"]
    assert events[0]["job_id"] == "abc"
    assert all(event["level"] and event["timestamp"] for event in events)
    assert "ValueError: 20 characters" in events[1]["exception"]
    assert "fh_key_in_a_variable" not in text


def test_people_get_lines_without_values_of_variables(logged):
    """The console's tracebacks show no local variables either."""
    text = logged("console")
    assert "job_started" in text
    assert "ValueError: 20 characters" in text
    assert "fh_key_in_a_variable" not in text


def test_the_level_is_kept(logged):
    """What is below the level that was asked for is not logged."""
    assert "too_small" in logged("json", "debug")
    assert "job_started" not in logged("json", "error")


def test_a_pipe_is_a_machine(logged):
    """Without a terminal, `auto` means JSON."""
    assert not sys.stderr.isatty()
    assert json.loads(logged("auto").splitlines()[0])["event"] == "job_started"
