"""``fetcher export``: every package's document, as JSON lines or Parquet.

Each document is complete, as ``fetcher show --format v4`` prints it when its page of 1,000 is read. All share one date,
so their weeks are the same. A package that exists throughout the export appears once. Packages added or refreshed
meanwhile may be missing. A single snapshot would stay open for minutes and keep PostgreSQL's vacuum from removing
outdated rows.

The output is written to a temporary file in the same folder and renamed when complete. An interrupted export leaves
nothing and starts over.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from fetcher.catalogue.documents import write_document
from fetcher.cli.parquet import write_parquet
from fetcher.cli.progress import Work, progress
from fetcher.cli.screen import err, fail
from fetcher.domain.errors import InputError
from fetcher.domain.formatting import counted
from fetcher.settings import Settings, read_settings
from fetcher.store import SqlStore
from fetcher.wiring import open_store

STRETCH = 1000
_LINES = ("", ".jsonl", ".ndjson", ".json")
"""Suffixes of files that get JSON lines."""


class Form(StrEnum):
    JSONL = "jsonl"
    PARQUET = "parquet"


def export(
    file: Annotated[Path | None, typer.Argument(help="Output file; default: stdout.", show_default=False)] = None,
    form: Annotated[
        Form | None,
        typer.Option(
            "--format", help="Default: by FILE's suffix (.jsonl or .parquet); jsonl for stdout.", show_default=False
        ),
    ] = None,
    cursor: Annotated[
        Path | None,
        typer.Option(
            "--cursor",
            metavar="FILE",
            help="Write the cursor after which the change feed continues the export.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Export every package's v4 document: JSON lines, one document a line, or a Parquet file with typed columns.

    Times are printed in FETCHER_TIME_ZONE, as `fetcher show --format v4` does. The change feed (`/api/v4/changes`)
    continues an export without a gap, from the cursor that is printed at its end.

    Examples: fetcher export > packages.jsonl · fetcher export packages.parquet · fetcher export all.jsonl --cursor last
    · fetcher export | FETCHER_DATA_DIR=copy fetcher import -
    """
    file = None if file == Path("-") else file
    form = form or _form_of(file)
    if form is Form.PARQUET and file is None:
        fail("Parquet needs a file. Name one: fetcher export packages.parquet")
    settings = read_settings()
    with (
        open_store(settings) as store,
        progress("exported", store.packages.size()) as work,
        _target(file) as target,
    ):
        end = store.changes.extent().end  # read first: later changes follow it, whether or not the export has them
        documents = _documents(store, settings, work)
        if form is Form.PARQUET:
            write_parquet(documents, target, settings.time_zone)
        else:
            for document in documents:
                target.write(json.dumps(document, ensure_ascii=False).encode() + b"\n")
    if cursor is not None:
        with _target(cursor) as target:
            target.write(f"{end}\n".encode())
    err.print(f"the change feed continues after the cursor {end}")
    err.print(f"{counted(work.packages, 'package')} exported{f' to {file}' if file else ''}")


def _form_of(file: Path | None) -> Form:
    """Return the format that the file's name states; end the command for the name of another format."""
    suffix = "" if file is None else file.suffix.lower()
    if suffix == ".parquet":
        return Form.PARQUET
    if file is not None and suffix not in _LINES:
        fail(f"{file}: {suffix} is no format of an export. Name a .jsonl or .parquet file, or give --format")
    return Form.JSONL


def _documents(store: SqlStore, settings: Settings, work: Work) -> Iterator[dict[str, Any]]:
    today = datetime.now(UTC).date()
    last = 0
    while packages := store.packages.documents_after(last, STRETCH):
        for package in packages:
            yield write_document(package, settings.time_zone, today)
        last = packages[-1].entry.id or last
        work.watch(len(packages))
        work.add(len(packages))


@contextmanager
def _target(file: Path | None) -> Iterator[BinaryIO]:
    """Yield stdout, or a temporary file that replaces ``file`` once complete. Open a device or pipe directly."""
    if file is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        if file.exists() and not file.is_file():
            with file.open("wb") as target:
                yield target
            return
        try:
            with beside.open("wb") as target:
                yield target
                target.flush()
                os.fsync(target.fileno())
            beside.replace(file)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{file} cannot be written ({error.strerror})", "Name another file") from None
