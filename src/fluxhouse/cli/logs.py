"""How a running process logs: JSON lines, or colours on a terminal, to standard error."""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import Processor

from fluxhouse.settings import Settings


def log_by(settings: Settings) -> None:
    """Set up logging once, for our own events and for what libraries say by the standard library."""
    pretty = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
    level = getattr(logging, settings.log_level.upper())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper("iso", utc=True),
    ]
    rendering = _for_people() if pretty else _for_machines()
    structlog.configure(
        processors=[*shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    listener = logging.StreamHandler(sys.stderr)
    listener.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[listener], force=True)


def _for_people() -> list[Processor]:
    # Tracebacks without local variables: those hold prompts and keys.
    return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]


def _for_machines() -> list[Processor]:
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
