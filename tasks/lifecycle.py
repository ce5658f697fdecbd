"""Log lines of a Celery process's start and end, in place of the texts that Celery writes beside the log."""

from __future__ import annotations

import json
import os
import signal
import sys
from datetime import UTC, datetime
from types import FrameType
from typing import Any, TextIO

import structlog
from celery.apps import worker
from celery.signals import beat_init, celeryd_init, setup_logging

from fetcher.misspelt import spelling_warnings
from fetcher.monitoring.logging import configure_service_logging, writes_json
from fetcher.settings import read_settings
from tasks.quiet_logs import log_in_one_line


def configure() -> None:
    """Configure logging as the other commands do, before Celery writes its first line."""
    settings = read_settings()
    configure_service_logging(settings.log_level, settings.log_format)
    log_in_one_line()
    if writes_json(settings.log_format):
        setattr(worker, "safe_say", _say_as_json)  # noqa: B010  (a function of Celery's module, not ours)


@setup_logging.connect
def _log_as_fetcher_does(**_: Any) -> None:
    """Configure logging. Celery skips its own set-up if this signal has a receiver."""
    configure()


@celeryd_init.connect
def _before_the_worker(**_: Any) -> None:
    """Configure logging before the worker checks the user's privileges, which may warn."""
    configure()
    _report_misspelt()


@beat_init.connect
def _beat_started(sender: Any, **_: Any) -> None:
    end_after_signals(sender)
    _report_misspelt()
    structlog.get_logger("tasks.lifecycle").info("beat started")


def end_after_signals(beat: Any) -> None:
    """End ``beat`` after SIGTERM or SIGINT also if its ``SystemExit`` is lost.

    Celery raises it wherever the signal arrives. In the Redis client, an error of its clean-up may take its place. Beat
    logs that as a task's error, and would run on. A second signal gets Celery's handler alone.
    """
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def arrived(number: int, frame: FrameType | None) -> None:
        for each, handler in handlers.items():
            signal.signal(each, handler)
        beat._is_shutdown.set()  # noqa: SLF001  (`stop` also logs, which a signal's handler must not)
        own = handlers[signal.Signals(number)]
        if callable(own):
            own(number, frame)

    for number in handlers:
        signal.signal(number, arrived)


def _report_misspelt() -> None:
    for line in spelling_warnings(os.environ):
        structlog.get_logger("tasks.lifecycle").warning(line)


def _say_as_json(text: str, stream: TextIO | None = None) -> None:
    """Write a line of Celery's signal handlers. They may interrupt a write to stderr, so its buffer is not used."""
    line = {
        "event": text.strip(),
        "level": "info",
        "logger": "celery.worker",
        "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
    }
    try:
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"{json.dumps(line)}\n".encode())
    except OSError:
        return  # a closed stream must not stop the shutdown
