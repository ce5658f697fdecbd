"""Beat ends after a signal, also if the exit that Celery raises is lost in a library."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from celery import Celery
from celery.apps.beat import Beat
from celery.beat import Scheduler

import tasks.lifecycle  # noqa: F401  (connects the receiver of beat's start)


class Losing(Scheduler):
    """A scheduler that is interrupted by SIGTERM and loses the exit, as a client's clean-up may."""

    ticks = 0

    def tick(self) -> int:
        Losing.ticks += 1
        assert Losing.ticks == 1, "beat runs on after SIGTERM"
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except SystemExit:
            return 0
        raise AssertionError("SIGTERM has no handler")


@pytest.fixture
def _handlers() -> Iterator[None]:
    """Restore the process's signal handlers."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_handlers")
def test_a_lost_exit() -> None:
    """The loop ends after the tick in which the exit was lost."""
    Losing.ticks = 0
    app = Celery("test", broker="memory://", set_as_current=False)
    beat = Beat(app=app, quiet=True, scheduler_cls=Losing)
    service = beat.Service(app=app, scheduler_cls=Losing)
    beat.install_sync_handler(service)
    service.start()
    assert Losing.ticks == 1
