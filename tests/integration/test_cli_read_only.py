"""A user who may read the SQLite file but not write it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.seeds import SEEDS
from tests.harness.stack import Stack, stack

BIN = Path(sys.executable).parent
ANOTHER_USER = 12345
WITHOUT_RIGHTS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner,-chown")


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[Stack]:
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("root needs setpriv to give up its rights")
    with stack(tmp_path / "stack") as made:
        assert made.fetcher("import", str(SEEDS)).returncode == 0
        yield made


def _database(ours: Stack) -> Path:
    (database,) = ours.folder.rglob("*.db")
    return database


def _forbid_writing(database: Path) -> None:
    for path in (*database.parent.glob("fetcher.db*"), database.parent):
        path.chmod(0o555 if path.is_dir() else 0o444)
        if os.geteuid() == 0:
            os.chown(path, ANOTHER_USER, ANOTHER_USER)


def _run(ours: Stack, *words: str) -> subprocess.CompletedProcess[str]:
    command = [*(WITHOUT_RIGHTS if os.geteuid() == 0 else ()), str(BIN / "fetcher"), *words]
    return subprocess.run(command, env=ours.environment, capture_output=True, text=True, timeout=60, check=False)


def _restore(database: Path) -> None:
    for path in (database.parent, *database.parent.glob("fetcher.db*")):
        if os.geteuid() == 0:
            os.chown(path, 0, 0)
        path.chmod(0o755 if path.is_dir() else 0o644)


def test_commands_that_read_work_while_fetcher_runs(ours: Stack) -> None:
    """As long as a process has the database open, others can read it; a write is one line."""
    database = _database(ours)
    connection = sqlite3.connect(database)
    connection.execute("SELECT count(*) FROM packages").fetchone()
    _forbid_writing(database)
    try:
        reading = [_run(ours, *words) for words in (("list",), ("show", "lesscpy"), ("status", "--json"))]
        writing = _run(ours, "remove", "lesscpy", "--yes")
    finally:
        _restore(database)
        connection.close()

    assert [done.returncode for done in reading] == [0, 0, 0], reading
    assert writing.returncode == 1
    assert len(writing.stderr.splitlines()) == 1
    assert "is read-only for this user. Run the command as the owner of the file." in writing.stderr


def test_commands_say_what_is_missing_while_it_is_stopped(ours: Stack) -> None:
    """SQLite cannot read a closed database in a folder that this user may not write: one line, without a traceback."""
    database = _database(ours)
    _forbid_writing(database)
    try:
        done = _run(ours, "list")
    finally:
        _restore(database)

    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert "Other users can read it only while a process of Fetcher is running" in done.stderr
