"""The Celery application: how it is wired to Redis, and nothing of what Fetcher does.

Each setting is one that survived ``kill -9`` of workers and of the broker. The database's leases are the real net: a
message that is lost costs at most a lease's length.
"""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery.signals import beat_init
from kombu import Exchange, Queue

import schedules
from fetcher.broker import broker_address
from fetcher.domain.errors import ConfigError
from fetcher.settings import Settings, read_settings
from tasks.metronome import ticking

BACKGROUND, NOW, CONTROL = "background", "now", "control"
QUEUES = (NOW, BACKGROUND, CONTROL)
"""``now`` has a process of its own: what a person waits for never stands behind the background."""

SOFT_LIMIT, HARD_LIMIT = 120, 150
"""Seconds for one task. Tasks are made to last a second or two; these end one that hangs."""

VISIBILITY = 600
"""Seconds after which Redis hands an unacknowledged message out again: well above the hard limit."""


def make_app(settings: Settings) -> Celery:
    """The application for ``settings``."""
    app = Celery("fetcher", include=["tasks.refresh", "tasks.housekeeping", "tasks.panel"])
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
        task_default_queue=CONTROL,
        task_queues=[Queue(name, Exchange(name), routing_key=name) for name in QUEUES],
        timezone="UTC",
        enable_utc=True,
        beat_scheduler="celery.beat:Scheduler",
        beat_schedule=beat_schedule(settings),
    )
    return app


def beat_schedule(settings: Settings) -> dict[str, dict[str, Any]]:
    """``schedules.entries`` in Celery's form; a tick that nobody took before the next one is dropped."""
    return {
        entry.name: {
            "task": entry.task,
            "schedule": ticking(entry.every),
            "options": {"queue": CONTROL, "expires": max(entry.every.total_seconds(), 1)},
        }
        for entry in schedules.entries(settings.plan_interval)
    }


def _read_settings_or_exit() -> Settings:
    """Celery imports this module by name: a setting that is wrong ends it with one line instead of a traceback."""
    try:
        return read_settings()
    except ConfigError as error:
        raise SystemExit(f"error: {error}") from None


app = make_app(_read_settings_or_exit())
app.set_default()  # for every thread: a task that one of the web process's sends goes by this application


@beat_init.connect
def _tick_at_once(**_: Any) -> None:
    """Beat lets a whole interval pass before its first tick; nobody who has just started it should wait that long."""
    for entry in beat_schedule(read_settings()).values():
        app.send_task(entry["task"], **entry["options"])
