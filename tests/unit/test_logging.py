"""Format of log lines: JSON for machines, colours on a terminal, and no secret in either."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from fetcher.monitoring.logging import configure_logging

SECRET = "marked-secret"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def written(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, level: str = "INFO") -> io.StringIO:
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logging(level)
    return stream


def fail() -> None:
    token = SECRET
    raise ValueError(f"{len(token)} characters")


def test_one_object_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Print event, level, time, logger and bound values on one line, except on a terminal."""
    stream = written(monkeypatch, io.StringIO())
    with structlog.contextvars.bound_contextvars(task="t-1"):
        structlog.get_logger("fetcher.x").info("batch", packages=2, reason="two\nlines")
        logging.getLogger("celery.worker").warning("%s is here", "somebody")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert {name: first[name] for name in ("event", "level", "logger", "packages", "task", "reason")} == {
        "event": "batch",
        "level": "info",
        "logger": "fetcher.x",
        "packages": 2,
        "task": "t-1",
        "reason": "two\nlines",
    }
    assert first["timestamp"].endswith("Z")
    assert (second["event"], second["level"], second["task"]) == ("somebody is here", "warning", "t-1")


def test_colours_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = written(monkeypatch, Terminal())
    structlog.get_logger("fetcher.x").warning("failure", package="alpha")
    assert "\x1b[" in stream.getvalue()
    assert "alpha" in stream.getvalue()


@pytest.mark.parametrize("kind", [io.StringIO, Terminal])
def test_a_traceback_shows_no_variable(monkeypatch: pytest.MonkeyPatch, kind: type[io.StringIO]) -> None:
    """Omit variables, because one may hold a token."""
    stream = written(monkeypatch, kind())
    try:
        fail()
    except ValueError:
        structlog.get_logger("fetcher.x").exception("crash")
    assert "ValueError" in stream.getvalue()
    assert SECRET not in stream.getvalue()


def test_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drop records below the level; log libraries with many records from warnings on."""
    stream = written(monkeypatch, io.StringIO(), "WARNING")
    structlog.get_logger("fetcher.x").info("batch")
    structlog.get_logger("fetcher.x").error("credential rejected")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["credential rejected"]
    stream = written(monkeypatch, io.StringIO(), "DEBUG")
    logging.getLogger("httpx").info("GET …")
    structlog.get_logger("fetcher.x").debug("seen")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["seen"]
