"""Celery's own log records in one line each; their tracebacks are logged at debug level."""

from __future__ import annotations

import logging

from kombu.exceptions import OperationalError

from fetcher.domain.errors import FetcherError

LIBRARIES = ("celery", "kombu", "amqp", "billiard")
TASKS = "celery.app.trace"
"""Logger of failed tasks. A traceback of an unexpected exception is the only hint at its place, and stays. A broker
that cannot be reached (kombu's ``OperationalError``) is expected."""
WARNINGS = "py.warnings"
"""Logger that receives Python's warnings (``logging.captureWarnings``), each with its source line."""


class OneLine(logging.Filter):
    """A filter that removes tracebacks from the libraries' records, and joins the lines of messages."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record; it is always logged."""
        library = record.name.partition(".")[0] in LIBRARIES
        if not library and record.name != WARNINGS:
            return True
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and record.levelno > logging.DEBUG:
            if record.name == TASKS and not isinstance(error, (FetcherError, OperationalError)):
                return True
            logging.getLogger(record.name).debug("traceback", exc_info=error)
        message = " ".join(record.getMessage().split())
        if error is not None and record.levelno > logging.DEBUG:
            record.exc_info, record.exc_text = None, None
            reason = " ".join(str(error).split()) or "no reason given"
            if reason not in message:
                message = f"{message} ({type(error).__name__}: {reason})"
        record.msg, record.args = message, ()
        return True


def log_in_one_line() -> None:
    """Filter every handler of the root logger, and log Python's warnings instead of printing them."""
    logging.captureWarnings(True)
    for handler in logging.getLogger().handlers:
        handler.addFilter(OneLine())
