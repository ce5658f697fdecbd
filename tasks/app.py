"""The Celery application: its broker, queues and beat schedule, without any logic of Fetcher.

Each setting has been tested by ``kill -9`` of workers and of the broker. The database's leases are the final safeguard:
a lost message delays its packages by at most the length of a lease.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from celery import Celery
from celery.schedules import schedule
from celery.signals import beat_init
from kombu import Exchange, Queue

import schedules
from fetcher.broker import broker_address
from fetcher.domain.errors import ConfigError
from fetcher.monitoring.logging import configure_logging, writes_json
from fetcher.settings import Settings, read_settings

BACKGROUND, MANUAL, MAINTENANCE, WEBHOOKS = "background", "manual", "maintenance", "webhooks"
QUEUES = (MANUAL, BACKGROUND, MAINTENANCE, WEBHOOKS)
"""Queues of Fetcher. ``manual`` has its own worker, so that users' requests never wait for background batches."""

SOFT_LIMIT, HARD_LIMIT = 120, 150
"""Seconds for one task. A task takes a second or two; the limits end a hanging one."""

VISIBILITY = 600
"""Seconds after which Redis redelivers an unacknowledged message; must be well above ``HARD_LIMIT``."""


def make_app(settings: Settings) -> Celery:
    """Create the application for ``settings``."""
    modules = ("refresh", "maintenance", "feeds", "hints", "site", "webhooks", "sync", "inspect_command")
    app = Celery("fetcher", include=[f"tasks.{name}" for name in modules])
    app.conf.update(
        broker_url=broker_address(settings),
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            "visibility_timeout": VISIBILITY,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "socket_keepalive": True,
            "health_check_interval": 25,
        },
        result_backend=None,
        task_ignore_result=True,
        accept_content=["json"],
        task_serializer="json",
        result_accept_content=["json"],
        task_acks_late=True,
        worker_prefetch_multiplier=1,
        task_soft_time_limit=SOFT_LIMIT,
        task_time_limit=HARD_LIMIT,
        worker_concurrency=settings.workers,
        worker_soft_shutdown_timeout=10,
        worker_enable_soft_shutdown_on_idle=False,
        worker_hijack_root_logger=False,
        worker_max_tasks_per_child=2000,
        worker_send_task_events=True,
        task_create_missing_queues=False,
        task_default_queue=MAINTENANCE,
        task_queues=[Queue(name, Exchange(name), routing_key=name) for name in QUEUES],
        timezone="UTC",
        enable_utc=True,
        beat_scheduler="celery.beat:Scheduler",
        beat_schedule=beat_schedule(settings),
    )
    return app


def steady_time(began: datetime, steady: Callable[[], float] = time.monotonic) -> Callable[[], datetime]:
    """Return a clock that starts at ``began`` and advances with ``steady``, which counts seconds."""
    zero = steady()
    return lambda: began + timedelta(seconds=steady() - zero)


_monotonic_now = steady_time(datetime.now(UTC))


def monotonic_schedule(every: timedelta) -> schedule:
    """Return a schedule that is due each time ``every`` has passed, independent of the machine's clock.

    Celery's beat compares the clock with times that it noted before. If the clock is set back by an hour, manually or
    by NTP, beat would otherwise plan nothing for that hour.
    """
    return schedule(every, nowfun=_monotonic_now)


def beat_schedule(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return ``schedules.entries`` in Celery's form. A message not consumed before the next tick expires."""
    return {
        entry.name: {
            "task": entry.task,
            "schedule": monotonic_schedule(entry.every),
            "options": {"queue": MAINTENANCE, "expires": max(entry.every.total_seconds(), 1)},
        }
        for entry in schedules.entries(settings.plan_interval)
    }


def _read_settings_or_exit() -> Settings:
    """Read the settings; exit with one line for an invalid one. Celery imports this module without error handling."""
    try:
        return read_settings()
    except ConfigError as error:
        if not writes_json(os.environ.get("FETCHER_LOG_FORMAT", "")):
            raise SystemExit(f"error: {error}") from None
        configure_logging("ERROR", "json")
        structlog.get_logger("tasks").error(str(error))
        raise SystemExit(1) from None


app = make_app(_read_settings_or_exit())
app.set_default()  # for every thread: the web process's threads send tasks by it


@beat_init.connect
def _tick_at_once(**_: Any) -> None:
    """Send every entry's first tick at start-up. Beat itself would wait one full interval first."""
    for entry in beat_schedule(read_settings()).values():
        app.send_task(entry["task"], **entry["options"])
