"""Structured logs by structlog, always on stderr: text on a terminal, otherwise one JSON object a line.

FETCHER_LOG_FORMAT chooses one of the two forms for all streams.
"""

from __future__ import annotations

import logging
import sys
import warnings
from types import TracebackType
from typing import TextIO

import structlog

_QUIET = (
    "alembic",
    "celery.app.trace",
    "celery.beat",
    "celery.worker.strategy",
    "github",
    "httpcore",
    "dulwich",
    "httpx",
    "kombu",
    "uvicorn",
    "urllib3",
)
"""Loggers limited to warnings, because they log every request, message or tick at INFO."""


def writes_json(log_format: str) -> bool:
    """Return True if lines on stderr are JSON: by the setting, or without a terminal if it is ``auto``."""
    return log_format == "json" or (log_format != "text" and not sys.stderr.isatty())


def configure_logging(level: str, log_format: str = "auto") -> None:
    """Format structlog's and the standard library's records alike, from ``level`` on."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    # structlog's default traceback on a terminal prints local variables, which may hold a token.
    rendering: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if writes_json(log_format)
        else [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def configure_service_logging(level: str, log_format: str = "auto") -> None:
    """Configure the logs of a process that runs until it is stopped. In JSON they are all that it writes.

    Python's warnings and an uncaught exception, which are several lines of text otherwise, become one line each.
    """
    configure_logging(level, log_format)
    if writes_json(log_format):
        warnings.showwarning = _log_warning
        sys.excepthook = _log_crash


def _log_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    text = " ".join(str(message).split())
    structlog.get_logger("py.warnings").warning(text, category=category.__name__, at=f"{filename}:{lineno}")


def _log_crash(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    structlog.get_logger("fetcher").error("crash", exc_info=(kind, error, traceback))
