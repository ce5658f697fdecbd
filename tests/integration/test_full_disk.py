"""A full disk: the command says so in one line, and what was stored before is intact.

The limit of a file's size stands for the disk. It fails the same writes, and belongs to one process.
"""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fetcher.simulator.catalogue import documents, synthetic
from fetcher.simulator.server import Simulator
from fetcher.simulator.upstreams.registry import Settings
from tests.harness.processes import BIN, PATIENCE
from tests.harness.stack import APP_LIMITS, Stack, simulated, stack

PACKAGES = 3_000
ROOM = 256 * 1024
"""Bytes that the database may still grow by."""


def _limited(ours: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one command that may not let any file grow beyond the database's size and ``ROOM``."""
    database = Path(ours.settings.data_dir) / "fetcher.db"
    most = database.stat().st_size + ROOM

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    return subprocess.run(
        [str(BIN / "fetcher"), *arguments],
        env=ours.environment,
        cwd=ours.folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        preexec_fn=limit,
    )


def _intact(ours: Stack) -> int:
    """Return the number of stored packages after the database's own check."""
    with sqlite3.connect(Path(ours.settings.data_dir) / "fetcher.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return int(database.execute("SELECT count(*) FROM packages").fetchone()[0])


@pytest.fixture
def catalogue(tmp_path: Path) -> Callable[[Stack], Path]:
    """Provide a function that writes an invented catalogue, larger than the room."""

    def write(ours: Stack) -> Path:
        path = ours.folder / "catalogue.json"
        path.write_text(json.dumps(list(documents(synthetic(PACKAGES)))), "utf-8")
        return path

    return write


@pytest.mark.skipif(os.name != "posix", reason="limits of a file's size")
@pytest.mark.slow
def test_an_import_stops_with_one_line_and_is_taken_up_again(
    tmp_path: Path, catalogue: Callable[[Stack], Path]
) -> None:
    """The packages stored before the disk was full stay; the same command completes the import later."""
    with stack(tmp_path / "stack") as ours:
        path = catalogue(ours)
        assert ours.fetcher("db", "upgrade").returncode == 0
        done = _limited(ours, "import", str(path))
        assert done.returncode == 1, done.stderr
        assert "Traceback" not in done.stderr
        said = done.stderr.splitlines()[-1]
        assert said.startswith("error: "), done.stderr
        assert "disk" in said
        stored = _intact(ours)
        assert stored < PACKAGES
        again = ours.fetcher("import", str(path))
        assert again.returncode == 0, again.stderr
        assert _intact(ours) == PACKAGES


@pytest.mark.slow
def test_a_refresh_stops_with_one_line_and_loses_nothing(tmp_path: Path) -> None:
    """A refresh that cannot be stored fails; the packages are due as before and answer once there is room."""
    with (
        Simulator(synthetic(200), Settings(limits=APP_LIMITS)) as simulator,
        stack(tmp_path / "stack", **simulated(simulator)) as ours,
    ):
        slugs = ours.import_world(simulator.world)
        done = _limited(ours, "refresh", "--all")
        assert done.returncode == 1, done.stderr
        assert "Traceback" not in done.stderr
        assert "disk" in done.stderr
        assert _intact(ours) == len(slugs)
        again = ours.fetcher("refresh", "--all")
        assert again.returncode == 0, again.stderr
        assert ours.answered(len(slugs))
