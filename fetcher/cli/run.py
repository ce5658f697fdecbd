"""``fetcher up``: everything on one machine."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping
from typing import Annotated

import typer

from fetcher.broker import check_redis, embedded_socket
from fetcher.cli.screen import err, fail
from fetcher.ops.embedded_redis import EmbeddedRedis
from fetcher.ops.up import FolderLock, Supervisor, programs
from fetcher.settings import read_settings
from fetcher.wiring import open_store


def up(
    workers: Annotated[int | None, typer.Option(min=1, help="Background worker processes (FETCHER_WORKERS).")] = None,
) -> None:
    """Run everything on this machine until Ctrl-C: Redis, workers, beat and the page.

    With nothing configured it needs no service and no root: a SQLite database and a Redis of its own, both in the data
    folder. With FETCHER_DATABASE_URL or FETCHER_REDIS_URL set, it uses those.

    Examples: fetcher up · fetcher up --workers 4
    """
    settings = read_settings()
    lock = FolderLock(settings.data_dir)
    lock.acquire()
    embedded = EmbeddedRedis(embedded_socket(settings)) if settings.redis_url is None else None
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.set())
    try:
        _, engine = open_store(settings)
        engine.dispose()
        if embedded is not None:
            embedded.start()
        check_redis(settings)
        supervisor = Supervisor(
            programs(workers or settings.workers, settings.log_level),
            _environment(),
            lambda line: err.print(line, markup=False),
        )
        try:
            supervisor.start()
            err.print(f"running on {settings.data_dir}; Ctrl-C stops it")
            healthy = supervisor.watch(stopping, embedded.is_running if embedded else lambda: True)
        finally:
            supervisor.stop()
    finally:
        if embedded is not None:
            embedded.stop()
        lock.release()
    if not healthy:
        fail("the embedded Redis ended by itself: see its log in the data folder, then start `fetcher up` again")
    err.print("stopped; nothing is lost")


def _environment() -> Mapping[str, str]:
    """What the processes are started with. Celery's ten lines about running as root are told in one."""
    if os.geteuid() != 0:
        return os.environ
    err.print("running as root: better give Fetcher a user of its own")
    return {**os.environ, "PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges"}
