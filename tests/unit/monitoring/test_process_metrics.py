"""Task metrics of a worker process, which never fail a task."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import structlog
from celery.states import FAILURE, SUCCESS

import tasks.process
from tasks.maintenance import measure
from tasks.process import Process


@pytest.fixture(autouse=True)
def process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Process:
    """Return a process whose Redis is unreachable."""
    monkeypatch.setenv("FETCHER_REDIS_URL", f"unix://{tmp_path}/no.sock")
    made = Process()
    monkeypatch.setattr(tasks.process, "process", made)
    return made


def work(state: str) -> None:
    """Run a task by Celery's signals, from start to end."""
    tasks.process._name_the_task("t-1")
    tasks.process._count_the_task("t-1", SimpleNamespace(name="fetcher.plan"), state)


def test_tasks_are_counted_while_redis_is_unavailable(process: Process) -> None:
    """Keep both results of two tasks until Redis is back, and unbind the task's id from the log."""
    work(SUCCESS)
    work(FAILURE)
    counted = process.recorder.take()
    assert counted["fetcher_tasks|fetcher.plan|succeeded|"] == counted["fetcher_tasks|fetcher.plan|failed|"] == 1
    assert counted["fetcher_task_duration_seconds|fetcher.plan|sum"] >= 0
    assert "task" not in structlog.contextvars.get_contextvars()


def test_a_recycled_process_ends_without_redis(process: Process) -> None:
    """Try to write the remaining metrics on closing."""
    work(SUCCESS)
    process.close()


def test_a_task_of_a_forked_process_uses_its_own_resources(process: Process) -> None:
    """Replace the parent's process after a fork: a task that was imported before counts in the new one."""
    assert measure.recorder is process.recorder
    tasks.process._replace_the_parents_process()
    assert measure.recorder is tasks.process.process.recorder
    assert measure.recorder is not process.recorder


def test_a_task_that_never_started_here(process: Process) -> None:
    """Tolerate an end signal without its start signal."""
    tasks.process._count_the_task("t-2", SimpleNamespace(name="fetcher.plan"), None)
    assert process.recorder.take() == {}
