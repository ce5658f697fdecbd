"""Decisions of a synchronization: which packages are retired and revived after a reading. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

ABSENCES = 2
"""Readings in a row in which a package must be absent before it is retired."""

MAX_LOSS = 0.1
"""Default share of the known packages that may be absent. Beyond it, the source counts as truncated."""

MIN_LOSS = 3
"""Absent packages that are always believed: a tenth of a small catalogue is less than one package."""


@dataclass(frozen=True, slots=True)
class Synced:
    """A package that the source has listed: the readings in which it was absent since, and who retired it."""

    absences: int = 0
    retired: bool = False
    """True if a synchronization retired it."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Changes after a complete reading. ``refused`` is the reason for which absences are not believed."""

    rows: Mapping[int, Synced]
    """New and changed rows, by package id."""
    retire: tuple[int, ...] = ()
    revive: tuple[int, ...] = ()
    absent: int = 0
    refused: str | None = None


def decide(
    known: Mapping[int, Synced],
    seen: Collection[int],
    rejected: int,
    max_loss: float,
    elsewhere: Collection[int] = frozenset(),
) -> Decision:
    """Compare a reading with the packages that the source listed before.

    ``elsewhere`` are the packages that a synchronization with another source retired, such as the same source at its
    former address. A listed one is revived.

    Absences count only if the reading has no rejected record, which may be of an absent package, and if it lacks no
    more than ``max_loss`` of the known packages. Packages that the source never listed are not concerned.
    """
    rows = {one: Synced() for one in sorted(seen) if known.get(one) != Synced()}
    revive = tuple(one for one in sorted(seen) if one in elsewhere or (one in known and known[one].retired))
    listed = [one for one, row in known.items() if not row.retired]
    absent = sorted(one for one in listed if one not in seen)
    refused = _refusal(len(absent), len(listed), len(seen), rejected, max_loss)
    if refused is not None:
        return Decision(rows, revive=revive, absent=len(absent), refused=refused)
    retire = tuple(one for one in absent if known[one].absences + 1 >= ABSENCES)
    for one in absent:
        rows[one] = Synced(known[one].absences + 1, retired=one in retire)
    return Decision(rows, retire, revive, len(absent))


def _refusal(absent: int, listed: int, seen: int, rejected: int, max_loss: float) -> str | None:
    if not absent:
        return None
    if not seen:
        return "the source is empty"
    if rejected:
        return f"{rejected:,} of its records were rejected, which may be of absent packages"
    if absent > max(MIN_LOSS, max_loss * listed):
        return f"{absent:,} of {listed:,} known packages are absent, more than {max_loss:.0%}"
    return None
