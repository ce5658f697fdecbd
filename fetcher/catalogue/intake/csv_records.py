"""Packages as CSV with a header: one a record, with any of the editor's fields; unknown columns are kept."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from fetcher.catalogue.documents import EDITOR_KEYS, KEYS, WORKER_KEYS, shown
from fetcher.catalogue.intake.items import Item, Rejected
from fetcher.catalogue.intake.lines import Line
from fetcher.catalogue.intake.partial import partial_item

COLUMNS = tuple(key for key in KEYS if key in EDITOR_KEYS)
"""The known columns: the editor's fields, in the order of a document."""

_DELIMITERS = ",;\t"


def is_header(line: str) -> bool:
    """Return whether ``line`` is a CSV header: one of its cells is the name of an editor's field."""
    return _known(line, delimiter_of(line)) > 0


def delimiter_of(header: str) -> str:
    """Return the delimiter that yields most known columns; spreadsheets also write semicolons and tabs."""
    return max(_DELIMITERS, key=lambda delimiter: _known(header, delimiter))


def csv_records(lines: Iterable[Line | Rejected], where: str, delimiter: str) -> Iterator[Item]:
    """Yield the packages of a CSV file, streamed. A bad record is rejected alone. Blank cells count as absent."""
    source = _Source(lines)
    reader = csv.reader(source, delimiter=delimiter, strict=True)
    header: list[str] | None = None
    while True:
        row = _next_row(reader, source, where)
        yield from source.faults()
        if row is None:
            return
        if isinstance(row, Rejected):
            yield row
        elif not any(cell.strip() for cell in row) or (header is None and row[0].startswith("#")):
            continue
        elif header is None:
            header = [_column(cell, index) for index, cell in enumerate(row, 1)]
            twice = next((name for name in header if header.count(name) > 1), None)
            if twice is not None:
                yield Rejected(f"{where}, line {source.began}", "header", "each column once", shown(twice))
                return
        else:
            yield _record(f"{where}, line {source.began}", header, row)


class _Source:
    """Decoded lines for the CSV reader, with the first line of the current record and all undecodable lines."""

    def __init__(self, lines: Iterable[Line | Rejected]) -> None:
        self._lines = iter(lines)
        self._faults: list[Rejected] = []
        self.began = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        for line in self._lines:
            if isinstance(line, Line):
                self.began = self.began or line.number
                return line.text
            self._faults.append(line)
        raise StopIteration

    def faults(self) -> list[Rejected]:
        faults, self._faults = self._faults, []
        return faults


def _next_row(reader: Iterator[list[str]], source: _Source, where: str) -> list[str] | Rejected | None:
    source.began = 0
    try:
        return next(reader, None)
    except csv.Error as error:
        return Rejected(f"{where}, line {source.began}", "record", "a CSV record", f"{error}")


def _record(where: str, header: Sequence[str], row: Sequence[str]) -> Item:
    if any(cell.strip() for cell in row[len(header) :]):
        return Rejected(where, "record", f"{len(header)} cells", f"{len(row)}")
    cells = {name: cell.strip() for name, cell in zip(header, row, strict=False) if cell.strip()}
    raw: dict[str, Any] = {name: cell for name, cell in cells.items() if name not in WORKER_KEYS}
    number = raw.get("id", "")
    if number.isascii() and number.isdigit() and len(number) < 20:
        raw["id"] = int(number)
    return partial_item(where, raw)


def _column(cell: str, index: int) -> str:
    """Return a column's name: known fields in lower case, others unchanged."""
    name = cell.strip()
    folded = name.lower()
    return folded if folded in EDITOR_KEYS | WORKER_KEYS else name or f"column {index}"


def _known(line: str, delimiter: str) -> int:
    return sum(cell.strip().strip('"').lower() in EDITOR_KEYS for cell in line.split(delimiter))
