"""``fetcher up``: all of Fetcher's processes on one machine."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping
from typing import Annotated

import typer

from fetcher.broker import check_redis, embedded_socket
from fetcher.cli.service_lines import notify, report_error, warn
from fetcher.misspelt import unknown_to_fetcher
from fetcher.ops.embedded_redis import EmbeddedRedis
from fetcher.ops.up import FolderLock, Supervisor, programs
from fetcher.settings import read_settings
from fetcher.wiring import open_store


def up(
    workers: Annotated[int | None, typer.Option(min=1, help="Background worker processes (FETCHER_WORKERS).")] = None,
) -> None:
    """Run all processes on this machine until Ctrl-C: Redis, workers, beat and the page.

    Without configuration it needs no service and no root: it uses SQLite and an embedded Redis in the data folder.
    FETCHER_DATABASE_URL and FETCHER_REDIS_URL replace them.

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
        open_store(settings).close()
        if embedded is not None:
            embedded.start()
        check_redis(settings)
        supervisor = Supervisor(
            programs(workers or settings.workers, settings.log_level),
            _environment(),
            notify,
        )
        try:
            supervisor.start()
            notify(f"running on {settings.data_dir}; Ctrl-C stops it")
            healthy = supervisor.watch(stopping, embedded.is_running if embedded else lambda: True)
        finally:
            supervisor.stop()
    finally:
        if embedded is not None:
            embedded.stop()
        lock.release()
    if not healthy:
        report_error("the embedded Redis exited: see its log in the data folder, then start `fetcher up` again")
        raise typer.Exit(1)
    notify("stopped; queued work is saved")


def _environment() -> Mapping[str, str]:
    """Return the child processes' environment. Celery's ten-line warning about root is replaced by one line.

    Misspelt variables are left out: this process has reported them.
    """
    unknown = unknown_to_fetcher(os.environ)
    kept = {name: text for name, text in os.environ.items() if name not in unknown}
    if os.geteuid() != 0:
        return kept
    warn("running as root: a dedicated user is safer")
    return {**kept, "PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges"}
