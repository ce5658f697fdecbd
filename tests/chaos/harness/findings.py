"""What a fault came to, and the table that tells of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from rich.table import Table


class Group(StrEnum):
    """Where a fault strikes."""

    PROCESSES = "processes"
    REDIS = "Redis"
    DATABASE = "database"
    GITHUB = "GitHub"
    PYPI = "PyPI"
    HARNESS = "harness"
    """What should have made a fault happen, and could not."""
    MACHINE = "machine"


class CannotHappenError(Exception):
    """A fault that cannot be made on this machine: what is missing, in words."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: how often it was made to happen, whom it touched, and what it left."""

    group: Group
    fault: str
    injected: int
    affected: int
    lost: Sequence[str] = ()
    """Packages that were not refreshed in time after the fault's end."""
    wrong: Sequence[str] = ()
    """Values that never were so, that went back or were blanked; limits that were broken."""
    fresh_after: float = 0.0
    """Seconds from the fault's end until everything that it touched was fresh again."""
    simulated: bool = False
    """Whether those are seconds of the clock that the test turns, with the real pauses, or of a wall's."""
    restarts: int = 0
    """Workers that ended by themselves and were started again."""

    @property
    def ok(self) -> bool:
        """A blow that fell beside its pass, and touched nobody, shows nothing."""
        return self.injected > 0 and self.affected > 0 and not self.lost and not self.wrong


def table_of(findings: Sequence[Finding]) -> Table:
    """All of them, one a line."""
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
