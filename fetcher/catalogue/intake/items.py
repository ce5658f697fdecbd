"""What reading an input yields, one by one: an entry, or what is wrong with a record and where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from fetcher.catalogue.documents import BadRecord, read_document
from fetcher.domain.model import CatalogueEntry


@dataclass(frozen=True, slots=True)
class Entry:
    """A good record. ``where`` names its file and its position in it, for what the store may yet find wrong."""

    where: str
    entry: CatalogueEntry


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that is passed by: the file and the position, the field, what was expected and what stands there."""

    where: str
    field: str
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.where}: {self.field}: expected {self.expected}, got {self.got}"


@dataclass(frozen=True, slots=True)
class PassedOver:
    """Something that was not read, without being wrong: it is named, so that nobody misses it in silence."""

    where: str
    reason: str


Item: TypeAlias = Entry | Rejected | PassedOver


def as_item(where: str, raw: object) -> Entry | Rejected:
    """One parsed JSON value as a document."""
    match read_document(raw):
        case BadRecord() as bad:
            return Rejected(where, bad.field, bad.expected, bad.got)
        case entry:
            return Entry(where, entry)
