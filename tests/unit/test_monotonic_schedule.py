"""Monotonic schedule of beat."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from celery.beat import ScheduleEntry

from fetcher.settings import read_settings
from tasks.app import make_app, steady_time

BEGAN = datetime(2026, 11, 21, tzinfo=UTC)


def test_it_uses_the_monotonic_clock() -> None:
    """Use the machine's clock for the first moment only."""
    seconds = 100.0
    now = steady_time(BEGAN, lambda: seconds)
    assert now() == BEGAN
    seconds = 107.5
    assert now() == BEGAN + timedelta(seconds=7.5)


def test_beat_never_reads_the_machines_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Schedule every entry by the monotonic clock: a clock set back an hour delays none."""
    app = make_app(read_settings({}))

    def asked() -> datetime:
        raise AssertionError("the machine's clock was asked")

    monkeypatch.setattr(app, "now", asked)
    for name, told in app.conf.beat_schedule.items():
        entry = ScheduleEntry(name, told["task"], schedule=told["schedule"], app=app)
        due, pause = entry.is_due()
        assert not due
        assert 0 < pause <= told["schedule"].run_every.total_seconds()
