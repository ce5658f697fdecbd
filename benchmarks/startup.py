"""CPU of starting each command, as a ratio to ``python -c pass``, and the heaviest imports of each.

Read ratios of one run, because a machine's seconds vary. Each figure is the lowest of several runs.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tests.harness.processes import BIN
from tests.harness.seeds import SEEDS
from tests.harness.stack import environment

_IMPORT = re.compile(r"^import time:\s+(\d+) \|\s+(\d+) \|( +)(\S+)$", re.MULTILINE)
_HEAVIEST = 5


@dataclass(frozen=True, slots=True)
class Command:
    """A command line of Fetcher, and the largest ratio that it should have."""

    name: str
    arguments: Sequence[str]
    bound: int | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


COMPLETION = {"_FETCHER_COMPLETE": "complete_bash", "COMP_WORDS": "fetcher show django-", "COMP_CWORD": "2"}
COMMANDS = (
    Command("--version", ["--version"], 25),
    Command("completion of a slug", [], 25, COMPLETION),
    Command("--help", ["--help"], 35),
    Command("show", ["show", "django-vies"], 60),
    Command("show --help", ["show", "--help"]),
    Command("explain", ["explain", "django-vies"]),
    Command("failures", ["failures"]),
    Command("refresh --help", ["refresh", "--help"]),
    Command("up --help", ["up", "--help"]),
    Command("simulate --help", ["simulate", "--help"]),
)


def main(
    repeat: Annotated[int, typer.Option(help="Runs of each command; the lowest counts.")] = 7,
    imports: Annotated[bool, typer.Option(help="List the heaviest imports of each command.")] = True,
) -> None:
    """Measure every command on a catalogue of five packages, and print the table."""
    python, fetcher = str(BIN / "python"), str(BIN / "fetcher")
    with tempfile.TemporaryDirectory() as folder:
        settings = environment(data_dir=Path(folder) / "data")
        subprocess.run([fetcher, "import", str(SEEDS)], env=settings, check=True, capture_output=True)
        bare = min(_cpu([python, "-c", "pass"], settings) for _ in range(3 * repeat))
        table = Table(
            "command", "CPU s", "ratio", "at most", "heaviest imports, ms", title=f"python -c pass: {bare:.3f} s"
        )
        for one in COMMANDS:
            variables = {**settings, **one.variables}
            seconds = min(_cpu([fetcher, *one.arguments], variables) for _ in range(repeat))
            heavy = _heaviest([python, "-X", "importtime", fetcher, *one.arguments], variables) if imports else ""
            table.add_row(one.name, f"{seconds:.3f}", f"{seconds / bare:.1f}", str(one.bound or ""), heavy)
    Console(width=150).print(table)


def _cpu(command: Sequence[str], variables: Mapping[str, str]) -> float:
    """Run a command to its end, and return its user and system seconds."""
    with subprocess.Popen(
        command, env=dict(variables), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return usage.ru_utime + usage.ru_stime


def _heaviest(command: Sequence[str], variables: Mapping[str, str]) -> str:
    """Return the top-level packages with the largest import times of their own modules."""
    done = subprocess.run(command, env=dict(variables), capture_output=True, text=True, check=True)
    sums: dict[str, int] = {}
    for own, _, _, module in _IMPORT.findall(done.stderr):
        package = module.partition(".")[0]
        sums[package] = sums.get(package, 0) + int(own)
    largest = sorted(sums.items(), key=lambda item: -item[1])[:_HEAVIEST]
    return ", ".join(f"{package} {microseconds / 1000:.0f}" for package, microseconds in largest)


if __name__ == "__main__":
    typer.run(main)
