"""Commands import their libraries when they are invoked, and help and completion import none of them."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
import typer

from fetcher.cli.app import COMMANDS, app
from fetcher.settings import default_index_root
from fetcher.store.completion import slugs_from
from tests.harness.stack import environment

HEAVY = ("sqlalchemy", "redis", "httpx", "celery", "fastapi", "alembic", "pypi_simple")
_RUN = """
import sys, atexit
atexit.register(lambda: print("\\nimported", *(name for name in {heavy!r} if name in sys.modules)))
sys.argv = ["fetcher", *{arguments!r}]
from fetcher.cli import main
main()
"""


def _imported(folder: Path, *arguments: str, **variables: str) -> tuple[str, list[str]]:
    """Run a command in a process of its own; return its output and the libraries in ``HEAVY`` that it imported."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN.format(heavy=HEAVY, arguments=arguments)],
        env={**environment(data_dir=folder), **variables},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    output, _, names = done.stdout.rpartition("\nimported")
    return output, names.split()


def _completing(line: str) -> Mapping[str, str]:
    return {"_FETCHER_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a data folder whose name has a space, with a database of three slugs."""
    made = tmp_path / "data folder ü"
    made.mkdir()
    with closing(sqlite3.connect(made / "fetcher.db")) as connection, connection:
        connection.execute("CREATE TABLE packages (slug TEXT PRIMARY KEY)")
        connection.executemany("INSERT INTO packages VALUES (?)", [("alpha",), ("beta-1",), ("beta-2",)])
    return made


@pytest.mark.parametrize("arguments", [("--version",), ("--help",), ("show", "--help"), ("up", "--help")], ids=" ".join)
def test_help_imports_no_library(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """The version and the help are printed without a database, Redis, HTTP or Celery library."""
    output, imported = _imported(tmp_path, *arguments)
    assert output
    assert imported == []


@pytest.mark.parametrize("command", ["show", "explain", "refresh", "retire", "remove", "set-address"])
def test_completion_imports_no_library(folder: Path, command: str) -> None:
    """Slugs are completed from the database by its driver alone."""
    output, imported = _imported(folder, **_completing(f"fetcher {command} beta"))
    assert output.split() == ["beta-1", "beta-2"]
    assert imported == []


def test_commands_are_completed(tmp_path: Path) -> None:
    """The names of commands are completed without importing one."""
    output, imported = _imported(tmp_path, **_completing("fetcher re"))
    assert sorted(output.split()) == ["refresh", "remove", "resume", "retire", "revive"]
    assert imported == []


def test_summaries_equal_the_docstrings() -> None:
    """The list of commands shows the first paragraph of each command's own help."""
    root = typer.main.get_command(app)
    own = {name: (command.help or "").partition("\n\n")[0] for name, command in root.commands.items()}  # type: ignore[attr-defined]
    assert {one.name: one.summary for one in COMMANDS} == own


def test_the_supervisor_and_beat_import_no_database(tmp_path: Path) -> None:
    """The libraries that the supervisor shares with beat include neither SQLAlchemy nor httpx nor the web framework."""
    code = "import sys; from fetcher.ops.supervise import _preload; _preload(); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(data_dir=tmp_path), capture_output=True, text=True, check=True
    )
    imported = set(done.stdout.split())
    assert "celery.apps.beat" in imported
    assert imported.isdisjoint({"sqlalchemy", "alembic", "httpx", "fastapi", "celery.bin.celery", "pypi_simple"})


def test_an_unknown_command_suggests_the_nearest(tmp_path: Path) -> None:
    """A misspelt command exits with status 2 and names the nearest one."""
    done = subprocess.run(
        [sys.executable, "-m", "fetcher", "statsu"],
        env=environment(data_dir=tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "status" in done.stderr


def test_completion_creates_no_database(tmp_path: Path) -> None:
    """A missing database file is left missing."""
    path = tmp_path / "none.db"
    assert slugs_from(f"sqlite:///{path}", "a") == []
    assert not path.exists()


def test_the_index_root_equals_the_librarys_constant() -> None:
    """The constant read from the source of pypi-simple is the one that the library exports."""
    from pypi_simple import PYPI_SIMPLE_ENDPOINT  # noqa: PLC0415

    assert f"{default_index_root()}/simple/" == PYPI_SIMPLE_ENDPOINT
