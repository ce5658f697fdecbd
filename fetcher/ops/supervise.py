"""The process into which ``fetcher up`` turns itself: it imports Celery, for its children, and no database.

``python -m fetcher.ops.supervise JSON`` starts the processes, keeps them running until a signal, and stops them.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path

from fetcher.data_folder import close_permissions
from fetcher.domain.errors import ConfigError, FetcherError
from fetcher.ops.embedded_redis import EmbeddedRedis
from fetcher.ops.forking import fork, name_process
from fetcher.ops.lines import report
from fetcher.ops.listening import bind
from fetcher.ops.stopping import STOPPING, StopSignal
from fetcher.ops.up import FolderLock, Process, Program, Supervisor, programs, spawn

PRELOADED = (
    "celery.app.amqp",
    "celery.app.events",
    "celery.app.log",
    "celery.app.routes",
    "celery.apps.beat",
    "celery.backends.base",
    "celery.events.dispatcher",
    "celery.events.receiver",
    "kombu.transport.redis",
    "kombu.utils.limits",
    "tasks.beat",
)
"""Modules that beat and the forked workers use. One that is missing here is imported by each of them."""
_ALLOCATOR = {"MALLOC_ARENA_MAX": "1"}
"""Setting of the C library (mallopt(3)): threads share one heap. It saves three megabytes in all."""
_PORT_WAIT = 10.0
"""Seconds to wait for the port if the run before was killed: its web process may still be ending."""


@dataclass(frozen=True, slots=True)
class Installation:
    """The settings that the supervisor needs."""

    data_dir: str
    redis_socket: str | None
    """Socket of the embedded Redis; ``None``: an external Redis is configured."""
    workers: int
    log_level: str
    web_host: str
    web_port: int


def become_supervisor(installation: Installation, environment: Mapping[str, str]) -> None:
    """Replace this process, with all that it has imported, by the supervisor; the process id stays.

    Signals are held back until the supervisor handles them.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    sys.stdout.flush()
    sys.stderr.flush()
    command = [sys.executable, "-P", "-m", "fetcher.ops.supervise", json.dumps(asdict(installation))]
    os.execve(sys.executable, command, {**_ALLOCATOR, **environment})  # noqa: S606  (our own command)


def run(installation: Installation) -> None:
    """Start the processes, and return once they have stopped."""
    name_process("up")
    stopping = StopSignal()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
    folder = Path(installation.data_dir)
    lock = FolderLock(folder)
    lock.acquire()
    supervisor = Supervisor(_launch, report)
    if os.geteuid() == 0:
        report("running as root: a dedicated user is safer", "warning")
    try:
        for path in close_permissions(folder):
            report(f"other users may access {path}: chmod go= '{path}'", "warning")
        _check_port(installation, lock)
        if installation.redis_socket is not None:
            embedded = EmbeddedRedis(Path(installation.redis_socket))
            server = supervisor.start(embedded.program())
            embedded.wait(lambda: server.poll() is None and not stopping.is_set())
        _preload()
        for program in programs(installation.workers, installation.log_level):
            supervisor.start(program)
        report(f"running on {folder}; Ctrl-C stops it")
        supervisor.watch(stopping)
    finally:
        supervisor.stop()
        lock.release()
    report("stopped; queued work is saved")


def _launch(program: Program) -> Process:
    return fork(program) if program.target is not None else spawn(program, os.environ)


def _preload() -> None:
    """Import the libraries that all forked processes use, and keep the collector from writing into their objects."""
    for module in PRELOADED:
        import_module(module)
    gc.collect()
    gc.freeze()


def _check_port(installation: Installation, lock: FolderLock) -> None:
    """Raise ``ConfigError`` if the page's port is taken, before anything starts."""
    deadline = time.monotonic() + (_PORT_WAIT if lock.was_killed else 0)
    port_remedy = "Set FETCHER_WEB_PORT to a free port, or to 0 for any"
    host_remedy = "Set FETCHER_WEB_HOST to an address of this machine"
    while True:
        try:
            bind(installation.web_host, installation.web_port, port_remedy, host_remedy).close()
            return
        except ConfigError:
            if time.monotonic() >= deadline:
                raise
        time.sleep(0.1)


def main(arguments: Sequence[str]) -> None:
    """Run the installation of the JSON in ``arguments``."""
    try:
        run(Installation(**json.loads(arguments[0])))
    except FetcherError as error:
        report(str(error), "error")
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
