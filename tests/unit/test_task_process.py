"""The event loop of a worker process, across tasks that a time limit ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import NoReturn

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from fetcher.settings import Settings
from fetcher.wiring import Parts
from tasks.process import Process


class NoParts:
    """Parts of a process that request nothing."""

    async def begin(self) -> None:
        """Begin a task."""

    async def aclose(self) -> None:
        """Close nothing."""


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    """Provide a process that has no parts to open."""

    async def opened(_settings: Settings, **_: object) -> NoParts:
        return NoParts()

    monkeypatch.setattr("tasks.process.open_parts", opened)
    made = Process()
    yield made
    made._counters.close()
    if made._runner is not None:
        made._runner.close()


def _end_the_next_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raise a soft time limit where the event loop waits for the network, as a signal's handler does."""
    selector = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]

    def limited(_timeout: float | None) -> NoReturn:
        monkeypatch.undo()
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(selector, "select", limited)


def test_a_task_that_its_limit_ends_does_not_go_on(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """A coroutine that waits when the limit is reached is cancelled, not resumed by the next task's run."""
    events: list[str] = []

    async def limited(_parts: Parts) -> None:
        _end_the_next_wait(monkeypatch)
        try:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            events.append("went on")
        except asyncio.CancelledError:
            events.append("cancelled")
            raise

    async def following(_parts: Parts) -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        events.append("following")

    with pytest.raises(SoftTimeLimitExceeded):
        process.run(limited)
    process.run(following)
    assert events == ["cancelled", "following"]


def test_what_a_failing_task_began_is_ended(process: Process) -> None:
    """Coroutines beside the one that failed are cancelled, and have ended when the error is raised."""
    ended: list[str] = []

    async def beside() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("beside")

    async def failing(_parts: Parts) -> None:
        raise ValueError("why")

    async def work(parts: Parts) -> None:
        await asyncio.gather(beside(), failing(parts))

    with pytest.raises(ValueError, match="why"):
        process.run(work)
    assert ended == ["beside"]
