"""Lines of the commands that run until they are stopped: text for users, or log lines in JSON.

``fetcher up`` and ``fetcher web`` run under process managers as well, which collect their stderr as a log.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from fetcher.cli.screen import complain, err
from fetcher.monitoring.logging import configure_logging, configure_service_logging, writes_json

SERVICES = ("up", "web")
"""Commands whose stderr is a log."""


@dataclass(slots=True)
class _Form:
    json: bool = False


_form = _Form()


def configure(command: str | None, level: str, log_format: str) -> None:
    """Configure the log lines of a command. ``level`` is empty if it is not set."""
    if command in SERVICES:
        configure_service_logging(level or "INFO", log_format)
    else:
        configure_logging(level or "ERROR", log_format)
    _form.json = command in SERVICES and writes_json(log_format)


def notify(text: str) -> None:
    """Report progress of the process."""
    if _form.json:
        structlog.get_logger("fetcher").info(text)
    else:
        err.print(text, markup=False)


def warn(text: str) -> None:
    """Report a condition that an operator should change."""
    if _form.json:
        structlog.get_logger("fetcher").warning(text)
    else:
        err.print(f"warning: {text}", markup=False)


def report_error(text: str) -> None:
    """Report the error that ends the process."""
    if _form.json:
        structlog.get_logger("fetcher").error(text)
    else:
        complain(text)
