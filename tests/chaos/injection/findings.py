"""The result of a fault, and the table of all results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from rich.table import Table


class Group(StrEnum):
    """The place of a fault."""

    PROCESSES = "processes"
    REDIS = "Redis"
    DATABASE = "database"
    GITHUB = "GitHub"
    PYPI = "PyPI"
    HARNESS = "harness"
    """A fault that could not be injected, because the harness failed."""
    MACHINE = "machine"


class CannotHappenError(Exception):
    """A fault that cannot be injected on this machine. The message names the missing part."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: the number of injections, the number of affected packages, and the result."""

    group: Group
    fault: str
    injected: int
    affected: int
    lost: Sequence[str] = ()
    """Packages that were not refreshed in time after the fault's end."""
    wrong: Sequence[str] = ()
    """Values that were never correct, went back or were blanked, and limits that were exceeded."""
    fresh_after: float = 0.0
    """Seconds from the fault's end until all affected packages were fresh again."""
    simulated: bool = False
    """Whether these are seconds of the simulated clock, with the real pauses, instead of elapsed seconds."""
    restarts: int = 0
    """Workers that ended by themselves and were started again."""

    @property
    def ok(self) -> bool:
        """Return whether the fault was injected, affected a package, and left nothing lost or wrong."""
        return self.injected > 0 and self.affected > 0 and not self.lost and not self.wrong


def table_of(findings: Sequence[Finding]) -> Table:
    """Return the table of all findings, one a row."""
    table = Table(title="chaos", title_justify="left")
    for name in ("where", "fault"):
        table.add_column(name)
    for name in ("times injected", "packages affected", "lost", "wrong", "seconds until fresh again"):
        table.add_column(name, justify="right")
    table.add_column("workers restarted", justify="right")
    for one in findings:
        table.add_row(
            one.group,
            one.fault,
            str(one.injected),
            str(one.affected),
            _count(one.lost),
            _count(one.wrong),
            f"{one.fresh_after:,.0f} simulated" if one.simulated else f"{one.fresh_after:.1f}",
            str(one.restarts or ""),
        )
    return table


def _count(bad: Sequence[str]) -> str:
    return f"[bold red]{len(bad)}[/]" if bad else "0"
