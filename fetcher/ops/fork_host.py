"""The host of ``fetcher up``: imports the libraries once, then forks and supervises the workers and the web process.

A forked process shares the memory of the libraries until it writes to it. Without the host, every process would hold
70 MB of them.
"""

from __future__ import annotations

import gc
import sys
from contextlib import suppress
from importlib import import_module

from fetcher.ops.forking import call, fork
from fetcher.ops.lines import report
from fetcher.ops.stopping import StopSignal
from fetcher.ops.up import Supervisor, hosted

PRELOADED = (
    "billiard.popen_fork",
    "billiard.sharedctypes",
    "billiard.synchronize",
    "celery.app.control",
    "celery.apps.worker",
    "celery.concurrency.prefork",
    "celery.worker.autoscale",
    "celery.worker.components",
    "celery.worker.consumer",
    "celery.worker.consumer.delayed_delivery",
    "celery.worker.strategy",
    "cffi.cparser",
    "_cffi_backend",
    "kombu.pidbox",
    "tasks",
    "tasks.refresh",
    "tasks.feeds",
    "tasks.maintenance",
    "tasks.site",
    "tasks.strategy",
    "tasks.sync",
    "tasks.webhooks",
    "tasks.inspect_command",
    "tasks.worker",
    "fetcher.http.gateway",
    "fetcher.http.transport",
    "fetcher.monitoring.logging",
    "fetcher.quota.memory",
    "fetcher.quota.redis",
    "fetcher.refresh.dispatch",
    "fetcher.refresh.forges",
    "fetcher.refresh.service",
    "fetcher.refresh.sweeping",
    "fetcher.store.sql_store",
    "fetcher.upstreams.registry",
    "anyio._backends._asyncio",
    "certifi",
    "h11",
    "h2.connection",
    "httpcore",
    "redis.asyncio",
    "sqlalchemy.dialects.sqlite",
    "uvicorn",
    "fetcher.web.serving",
    "uvicorn.lifespan.on",
    "uvicorn.loops.asyncio",
    "uvicorn.protocols.http.h11_impl",
)
"""Modules that forked processes use. One that is missing here is imported by each process that needs it."""
PREPARED = ("tasks.worker:prepare", "fetcher.web.serving:prepare")
"""Functions that make what each forked process would make at its start."""


def main() -> None:
    """Fork and supervise the programs until SIGTERM. ``sys.argv`` has the number of workers and the log level."""
    stopping = StopSignal()
    for module in PRELOADED:
        import_module(module)
    receivers = _warm_up_store()
    for function in PREPARED:
        call(function)
    gc.collect()
    gc.freeze()  # the collector writes into every object that it tracks, which would copy the shared pages
    supervisor = Supervisor(fork, report)
    try:
        for program in hosted(*sys.argv[1:], receivers=receivers):
            if not stopping.is_set():
                supervisor.start(program)
        supervisor.watch(stopping)
    finally:
        supervisor.stop()


def _warm_up_store() -> bool:
    """Open the store once, and close it: SQLAlchemy then keeps its compiled statements in shared memory.

    Returns whether there are receivers of webhooks.
    """
    from fetcher.domain.errors import FetcherError  # noqa: PLC0415
    from fetcher.settings import read_settings  # noqa: PLC0415
    from fetcher.upstreams.registry import upstreams_of  # noqa: PLC0415
    from fetcher.wiring import open_store  # noqa: PLC0415

    with suppress(FetcherError):  # the processes themselves report it
        settings = read_settings()
        upstreams_of(settings)
        with open_store(settings) as store:
            store.packages.size()
            return bool(store.webhooks.all())
    return False
