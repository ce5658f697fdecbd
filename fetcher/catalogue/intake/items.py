"""Items that a reader yields: an entry, a rejected record, or a skipped input, each with its position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from fetcher.catalogue.documents import BadRecord, read_document
from fetcher.domain.model import CatalogueEntry


@dataclass(frozen=True, slots=True)
class Entry:
    """A valid record. ``where`` is its file and position, for errors found later by the store."""

    where: str
    entry: CatalogueEntry


@dataclass(frozen=True, slots=True)
class Rejected:
    """An invalid record: its file and position, the field, the expected form and the actual value."""

    where: str
    field: str
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.where}: {self.field}: expected {self.expected}, got {self.got}"


@dataclass(frozen=True, slots=True)
class PassedOver:
    """An input that was skipped without being invalid; it is reported to the user."""

    where: str
    reason: str


Item: TypeAlias = Entry | Rejected | PassedOver


def as_item(where: str, raw: object) -> Entry | Rejected:
    """Convert one parsed JSON value to a document's item."""
    match read_document(raw):
        case BadRecord() as bad:
            return Rejected(where, bad.field, bad.expected, bad.got)
        case entry:
            return Entry(where, entry)
