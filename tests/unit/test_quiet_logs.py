"""Celery's own records: one line each, with tracebacks at debug level only."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from fetcher.domain.errors import BrokerError
from fetcher.monitoring.logging import configure_logging
from tasks.quiet_logs import TASKS, log_in_one_line


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


def _logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def _fail(logger: str, error: Exception, message: str = "Frequent restarts\ndetected") -> None:
    try:
        raise error
    except type(error):
        logging.getLogger(logger).critical(message, exc_info=True)


@pytest.mark.parametrize("logger", ["celery.worker.consumer.consumer", "kombu.connection"])
def test_a_librarys_traceback(capsys: pytest.CaptureFixture[str], logger: str) -> None:
    """The record has the reason and no traceback; at debug level a second record has it."""
    configure_logging("INFO")
    log_in_one_line()
    _fail(logger, ConnectionResetError("gone away"))
    (line,) = _logged(capsys)
    assert line["event"] == "Frequent restarts detected (ConnectionResetError: gone away)"
    assert "exception" not in line

    configure_logging("DEBUG")
    logging.getLogger("kombu").setLevel(logging.DEBUG)
    log_in_one_line()
    _fail(logger, ConnectionResetError("gone away"))
    detail, line = _logged(capsys)
    assert (detail["level"], line["level"]) == ("debug", "critical")
    assert "ConnectionResetError: gone away" in detail["exception"]


@pytest.mark.parametrize(("error", "kept"), [(BrokerError("Redis", "Start it"), False), (KeyError("bug"), True)])
def test_a_failed_task(capsys: pytest.CaptureFixture[str], error: Exception, kept: bool) -> None:  # noqa: FBT001
    """An expected error is one line; an unexpected one keeps its traceback, as does Fetcher's own logger."""
    configure_logging("INFO")
    log_in_one_line()
    _fail(TASKS, error, "Task raised")
    _fail("fetcher.web", error)
    task, own = _logged(capsys)
    assert ("exception" in task) == kept
    assert "exception" in own


def test_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    """A deprecation warning of a library is one record of one line."""
    configure_logging("INFO")
    log_in_one_line()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn(
            "In Celery 5.1 we introduced\nan optional breaking change", PendingDeprecationWarning, stacklevel=1
        )
    (line,) = _logged(capsys)
    assert "PendingDeprecationWarning: In Celery 5.1 we introduced an optional breaking change" in line["event"]
    assert line["level"] == "warning"
