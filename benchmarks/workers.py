"""Celery workers and beat as an operator starts them, for benchmarks of several processes on one ledger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.harness.processes import Child, start_process


@dataclass(frozen=True, slots=True)
class Workers:
    """A worker with its pool, and beat."""

    worker: Child
    beat: Child

    def cpu(self) -> float:
        """Return the CPU seconds of the worker and its pool so far."""
        return self.worker.cpu()

    def run(self) -> bool:
        return self.worker.runs() and self.beat.runs()


@contextmanager
def workers(environment: Mapping[str, str], processes: int, folder: Path) -> Iterator[Workers]:
    """Run ``processes`` worker processes and one beat; stop them afterwards. Their logs are in ``folder``."""
    pool = ("worker", "--queues", "background,maintenance", "--concurrency", str(processes))
    running = Workers(_start(environment, folder, "worker", *pool), _start(environment, folder, "beat", "beat"))
    try:
        yield running
    finally:
        running.beat.end()
        running.worker.end()


def _start(environment: Mapping[str, str], folder: Path, name: str, *arguments: str) -> Child:
    command = ("celery", "--quiet", "-A", "tasks", *arguments, "--loglevel", "ERROR")
    return start_process(name, *command, environment=environment, folder=folder)
