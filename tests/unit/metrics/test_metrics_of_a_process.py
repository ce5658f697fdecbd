"""What a worker's process counts of its tasks, and that no task fails for it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import structlog
from celery.states import FAILURE, SUCCESS

from tasks import process as running


@pytest.fixture(autouse=True)
def process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> running.Process:
    """A process of its own, whose Redis is not there."""
    monkeypatch.setenv("FETCHER_REDIS_URL", f"unix://{tmp_path}/no.sock")
    made = running.Process()
    monkeypatch.setattr(running, "process", made)
    return made


def work(state: str) -> None:
    """A task from its beginning to its end, as Celery's signals tell of it."""
    running._name_the_task("t-1")
    running._count_the_task("t-1", SimpleNamespace(name="fetcher.plan"), state)


def test_tasks_are_counted_though_nobody_takes_the_figures(process: running.Process) -> None:
    """Both ends of two tasks wait for the Redis that will be back, and the log forgets the task."""
    work(SUCCESS)
    work(FAILURE)
    told = process.tally.take()
    assert told["fetcher_tasks|fetcher.plan|done|"] == told["fetcher_tasks|fetcher.plan|failed|"] == 1
    assert told["fetcher_task_duration_seconds|fetcher.plan|sum"] >= 0
    assert "task" not in structlog.contextvars.get_contextvars()


def test_a_recycled_process_ends_without_redis(process: running.Process) -> None:
    """Closing tells what is left, or tries to."""
    work(SUCCESS)
    process.close()


def test_a_task_that_was_never_begun_here(process: running.Process) -> None:
    """A signal without its like is no reason to fail."""
    running._count_the_task("t-2", SimpleNamespace(name="fetcher.plan"), None)
    assert process.tally.take() == {}
