"""Base class of Fetcher's tasks, and the resources of a worker process that outlive a task.

The resources are an event loop, the wired parts and the metrics.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import structlog
from celery import Task
from celery.signals import (
    task_postrun,
    task_prerun,
    worker_process_init,
    worker_process_shutdown,
)
from celery.states import SUCCESS

from fetcher.broker import redis_client
from fetcher.monitoring import MetricsRecorder, RedisCounters
from fetcher.monitoring.definitions import TaskState
from fetcher.settings import read_settings
from fetcher.wiring import Parts, open_parts

R = TypeVar("R")

METRICS_TIMEOUT = 1.0
"""Timeout in seconds of writing metrics to Redis after a task; the write usually takes less than 1 ms."""


class Process:
    """The event loop, the parts and the metrics of this process. The first task opens loop and parts."""

    def __init__(self) -> None:
        self.recorder = MetricsRecorder()
        self._counters = RedisCounters(lambda: redis_client(read_settings(), timeout=METRICS_TIMEOUT))
        self._started: dict[str, float] = {}
        self._runner: asyncio.Runner | None = None
        self._parts: Parts | None = None

    def run(self, work: Callable[[Parts], Awaitable[R]]) -> R:
        """Run ``work`` on the process's event loop in the current task's context.

        ``asyncio.Runner`` would otherwise reuse the first task's context. A time limit may end the run while a
        coroutine is suspended. It is cancelled, because it would otherwise go on within the next task.
        """
        if self._runner is None:
            self._runner = asyncio.Runner()
        try:
            return self._runner.run(self._with_parts(work), context=contextvars.copy_context())
        except BaseException:
            self._runner.run(_cancel_all())
            raise

    def starts(self, task_id: str) -> None:
        """Record the start of a task."""
        self._started[task_id] = time.monotonic()

    def ends(self, task_id: str, task: str, state: TaskState) -> None:
        """Count a finished task, and write the metrics to Redis."""
        began = self._started.pop(task_id, None)
        if began is not None:
            self.recorder.task_ended(task, time.monotonic() - began, state)
        self._counters.add(self.recorder)

    def close(self) -> None:
        """Close the connections and the event loop."""
        self._counters.add(self.recorder)
        self._counters.close()
        if self._runner is not None and self._parts is not None:
            self._runner.run(self._parts.aclose())
        if self._runner is not None:
            self._runner.close()
        self._runner, self._parts = None, None

    async def _with_parts(self, work: Callable[[Parts], Awaitable[R]]) -> R:
        if self._parts is None:
            self._parts = await open_parts(read_settings(), observer=self.recorder)
        await self._parts.begin()
        return await work(self._parts)


async def _cancel_all() -> None:
    """Cancel every coroutine that the loop still has, and wait for their ends."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


process = Process()


class FetcherTask(Task[..., None]):
    """A task whose work is a coroutine over the parts of its worker process.

    Declare it with ``@shared_task(bind=True, base=FetcherTask)``. ``process`` is read at each call, because it is
    replaced in a forked process.
    """

    Strategy = "tasks.strategy:checked"

    @property
    def recorder(self) -> MetricsRecorder:
        """The metrics of this process."""
        return process.recorder

    def run_async(self, work: Callable[[Parts], Awaitable[R]]) -> R:
        """Run ``work`` on the process's event loop and return its result."""
        return process.run(work)


@worker_process_init.connect
def _replace_the_parents_process(**_: Any) -> None:
    """Replace the parent's resources after a fork: a child opens its own."""
    global process  # noqa: PLW0603  (intended: one per operating-system process)
    process = Process()


@worker_process_shutdown.connect
def _close(**_: Any) -> None:
    process.close()


@task_prerun.connect
def _name_the_task(task_id: str, **_: Any) -> None:
    """Bind the task's id to all of its log lines, and record its start."""
    structlog.contextvars.bind_contextvars(task=task_id)
    process.starts(task_id)


@task_postrun.connect
def _count_the_task(task_id: str, task: Any, state: str | None = None, **_: Any) -> None:
    process.ends(task_id, task.name, TaskState.SUCCEEDED if state == SUCCESS else TaskState.FAILED)
    structlog.contextvars.unbind_contextvars("task")
