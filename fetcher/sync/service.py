"""One synchronization: read the whole source, import it in parts, then retire what vanished and revive what returned.

A source that fails, ends early or is suspiciously small retires nothing: absences count after a complete reading only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from fetcher.catalogue.credentials import without_secrets
from fetcher.catalogue.intake import Entry, Item, Rejected
from fetcher.domain.model import CatalogueEntry
from fetcher.ports import Clock, Imported
from fetcher.sync.decisions import Decision, Synced, decide

SHOWN = 20
"""Most rejected records that a result names."""


class Packages(Protocol):
    """The catalogue: ``fetcher.store.packages.Packages``."""

    def import_entries(self, entries: Sequence[CatalogueEntry], now: datetime) -> Imported: ...

    def ids(self, slugs: Sequence[str]) -> Mapping[str, int]: ...


class SyncedStore(Protocol):
    """Packages by their source: ``fetcher.store.syncing.SyncedPackages``."""

    def of(self, source: str) -> dict[int, tuple[int, bool]]: ...

    def retired(self) -> set[int]: ...

    def apply(
        self,
        source: str,
        rows: Mapping[int, tuple[int, bool]],
        retire: tuple[int, ...],
        revive: tuple[int, ...],
        now: datetime,
    ) -> tuple[int, int]: ...


@dataclass(slots=True)
class SyncResult:
    """The result of one synchronization."""

    source: str
    read: int = 0
    added: int = 0
    updated: int = 0
    retired: int = 0
    revived: int = 0
    absent: int = 0
    rejected: list[str] = field(default_factory=list)
    rejected_count: int = 0
    refused: str | None = None
    """Reason for which absent packages were not counted."""

    def in_words(self) -> str:
        return (
            f"{self.read} read, {self.added} added, {self.updated} updated, {self.absent} absent, "
            f"{self.retired} retired, {self.revived} revived, {self.rejected_count} rejected"
        )


@dataclass(slots=True)
class Synchronization:
    """A synchronization in progress: it takes the parts of a reading, and is finished after the last one."""

    source: str = field(repr=False)
    packages: Packages
    synced: SyncedStore
    clock: Clock
    max_loss: float
    result: SyncResult = field(init=False)
    _name: str = field(init=False)
    """The source as it is stored and printed: without secrets, so that a new one changes nothing."""
    _seen: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._name = without_secrets(self.source)
        self.result = SyncResult(self._name)

    def take(self, items: Sequence[Item]) -> None:
        """Import the next part of the source."""
        entries = [item for item in items if isinstance(item, Entry)]
        for item in items:
            if isinstance(item, Rejected):
                self._reject(str(item))
        imported = self.packages.import_entries([one.entry for one in entries], self.clock.now())
        for index, reason in imported.rejected:
            self._reject(f"{entries[index].where}: {reason}")
        self.result.read += len(entries)
        self.result.added += imported.added
        self.result.updated += imported.updated
        self._seen.update(self.packages.ids(imported.slugs).values())

    def finish(self) -> SyncResult:
        """Count absences, retire and revive; returns the result."""
        known = {one: Synced(absences, retired) for one, (absences, retired) in self.synced.of(self._name).items()}
        decision = decide(known, self._seen, self.result.rejected_count, self.max_loss, self.synced.retired())
        self._apply(decision)
        self.result.absent, self.result.refused = decision.absent, decision.refused
        return self.result

    def _apply(self, decision: Decision) -> None:
        rows = {one: (row.absences, row.retired) for one, row in decision.rows.items()}
        if rows or decision.revive:
            done = self.synced.apply(self._name, rows, decision.retire, decision.revive, self.clock.now())
            self.result.retired, self.result.revived = done

    def _reject(self, reason: str) -> None:
        self.result.rejected_count += 1
        if len(self.result.rejected) < SHOWN:
            self.result.rejected.append(reason)
