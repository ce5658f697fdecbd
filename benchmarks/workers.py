"""Celery workers and beat as an operator starts them, for benchmarks of several processes on one ledger."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import cpu_of, ended, family

_ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Workers:
    """A worker with its pool, and beat."""

    worker: subprocess.Popen[bytes]
    beat: subprocess.Popen[bytes]

    def cpu(self) -> float:
        """Return the CPU seconds of the worker and its pool so far."""
        return sum(cpu_of(pid) for pid in family(self.worker.pid))

    def run(self) -> bool:
        return self.worker.poll() is None and self.beat.poll() is None


@contextmanager
def workers(environment: Mapping[str, str], processes: int, folder: Path) -> Iterator[Workers]:
    """Run ``processes`` worker processes and one beat; stop them afterwards. Their logs are in ``folder``."""
    pool = ("worker", "--queues", "background,maintenance", "--concurrency", str(processes))
    worker = _start(environment, folder / "worker.log", *pool)
    beat = _start(environment, folder / "beat.log", "beat")
    try:
        yield Workers(worker, beat)
    finally:
        ended(beat)
        ended(worker)


def _start(environment: Mapping[str, str], log: Path, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "celery", "--quiet", "-A", "tasks", *arguments, "--loglevel", "ERROR"]
    with log.open("wb") as out:
        return subprocess.Popen(command, env=dict(environment), cwd=_ROOT, stdout=out, stderr=subprocess.STDOUT)
