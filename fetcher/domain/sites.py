"""Values that Fetcher and a directory's own database exchange: catalogue rows in, fetched values out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from fetcher.domain.model import CatalogueEntry, CommitDays, OutcomeKind, Release, Source, SourceState

SITE = "site"
"""Name of the site in the store. There is one."""

VANISHED_AFTER = timedelta(seconds=30)
"""Least time between two readings without a row, after which its package is retired."""

GONE_STRIKES = 3
GONE_SPAN = timedelta(days=31)
"""Consecutive responses, and the least time between first and last, before a missing repository may be deprecated."""


class GonePolicy(StrEnum):
    """The treatment of a package whose repository is missing."""

    TELL = "tell"
    """Report it to editors, and write nothing."""
    DEPRECATE = "date_deprecated"
    """Set the site's date of deprecation, and clear it again when the repository responds."""


@dataclass(frozen=True, slots=True)
class SiteValues:
    """The stored values of one package as a site's row needs them. ``None`` means not known."""

    package_id: int
    repo_url: str | None
    pypi_url: str | None
    retired: bool
    unserved: str | None
    """The reason for which the repository is not fetched; ``None`` if it is, or if there is none."""
    answered: Mapping[Source, datetime]
    """Time of the last successful response of each source. A source that has none is left out."""
    repository: SourceState | None
    last_fetched: datetime | None
    stars: int | None = None
    forks: int | None = None
    description: str | None = None
    archived: bool | None = None
    empty: bool | None = None
    last_committed: datetime | None = None
    logins: tuple[str, ...] | None = None
    commit_days: CommitDays | None = None
    commit_count: int | None = None
    latest: Release | None = None
    """The release that the index names the latest."""
    classifiers: tuple[str, ...] | None = None
    licence_expression: str | None = None
    licence_text: str | None = None
    documentation_url: str | None = None
    deprecated_by_fetcher: datetime | None = None
    """The date of deprecation that Fetcher wrote into the site's row."""

    @property
    def is_gone(self) -> bool:
        """Return whether the repository has been missing long enough to be deprecated."""
        state = self.repository
        return (
            state is not None
            and state.outcome is OutcomeKind.GONE
            and state.failures >= GONE_STRIKES
            and state.first_failed_at is not None
            and state.last_failed_at is not None
            and state.last_failed_at - state.first_failed_at >= GONE_SPAN
        )


@dataclass(frozen=True, slots=True)
class SiteRow:
    """One package's row in the site's database."""

    entry: CatalogueEntry
    """The editors' fields, and the worker's as the site shows them."""
    deprecated: bool
    columns: Mapping[str, Any]
    """The columns that Fetcher may read."""
    version: Mapping[str, Any] | None = None
    """The row of the latest version; ``None`` if there is none."""

    @property
    def id(self) -> int:
        """The site's id, which is the package's id in Fetcher."""
        return int(self.columns["id"])


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """One column of a site's row, before and after. ``version`` states that it belongs to the latest version's row."""

    column: str
    before: Any
    after: Any
    version: bool = False


@dataclass(frozen=True, slots=True)
class RowChange:
    """The columns in which a site's row differs from the stored values, and the values that had to be left out."""

    row: SiteRow
    changes: tuple[ColumnChange, ...] = ()
    omitted: tuple[str, ...] = ()
    """Reasons for which values were not written, such as a width."""
    only_fetched: bool = False
    """``last_fetched`` alone differs."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """First overwritten values of one package's row, and the values last written in their place, as JSON."""

    package_id: int
    before: Mapping[str, Any]
    written: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LinkedPackage:
    """State of one package that the site's database has listed."""

    package_id: int
    missing_since: datetime | None = None
    """Time of the first reading without its row; ``None`` while the site lists it."""
    retired: bool = False
    """It was retired because its row vanished."""
    skipped: str | None = None
    """The reason for which its row, or a value of it, is not written."""


@dataclass(frozen=True, slots=True)
class SitePass:
    """Counters of the last pass over a site's database."""

    started_at: datetime
    finished_at: datetime
    form: str | None = None
    packages: int = 0
    """Rows read."""
    added: int = 0
    edited: int = 0
    retired: int = 0
    dirty: int = 0
    """Rows that differed from the stored values, beside ``last_fetched``."""
    written: int = 0
    touched: int = 0
    """Rows in which ``last_fetched`` alone was written."""
    locked: int = 0
    """Rows that another transaction held; the next pass compares them again."""
    refused: int = 0
    """Rows that the database refused."""
    skipped: int = 0
    """Rows that are left to the site, or of which a value was left out."""
    fault: str | None = None
    """The error that ended the pass."""
    failing_since: datetime | None = None
    reasons: Mapping[str, int] = field(default_factory=dict)
    """Numbers of skipped rows by reason."""
