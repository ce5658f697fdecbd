"""Documents as a Parquet file: one typed column a key; fields of any JSON type become strings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from importlib import import_module
from itertools import islice
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

from fetcher.catalogue.documents import KEYS
from fetcher.domain.errors import ConfigError

GROUP = 5_000
"""Rows of one row group. A larger group needs more memory and gives readers fewer groups to skip."""

_TIMES = ("last_updated", "last_fetched", "created", "modified")
_JSON = ("category", "grids", "extra")
"""Columns whose values may be any JSON: a string is stored as it is, other values as JSON text."""


def write_parquet(documents: Iterable[Mapping[str, Any]], target: BinaryIO, zone: ZoneInfo) -> None:
    """Write ``documents`` in row groups of ``GROUP``. Raise ``ConfigError`` if pyarrow is not installed."""
    try:
        arrow: Any = import_module("pyarrow")
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError:
        raise ConfigError("Parquet needs pyarrow, which is not installed", _REMEDY) from None
    schema = _schema(arrow, zone)
    with parquet.ParquetWriter(target, schema, compression="zstd") as writer:
        for rows in _groups(map(_row, documents)):
            writer.write_table(arrow.Table.from_pylist(rows, schema))


_REMEDY = "Run pip install '.[parquet]' in Fetcher's clone, or export JSON lines"


def _schema(arrow: Any, zone: ZoneInfo) -> Any:
    """Return a schema with the document's keys in their order, then ``extra`` for all other keys."""
    text, moment = arrow.string(), arrow.timestamp("us", tz=zone.key)
    types = dict.fromkeys(KEYS, text) | dict.fromkeys(_TIMES, moment)
    types |= {
        "id": arrow.int64(),
        "repo_forks": arrow.int32(),
        "repo_watchers": arrow.int32(),
        "commits_over_52": arrow.list_(arrow.int32()),
        "participants": arrow.list_(text),
        "extra": text,
    }
    return arrow.schema([arrow.field(name, kind, nullable=name not in ("id", "slug")) for name, kind in types.items()])


def _row(document: Mapping[str, Any]) -> dict[str, Any]:
    row = {key: document[key] for key in KEYS}
    row["extra"] = {key: value for key, value in document.items() if key not in row} or None
    for name in _TIMES:
        row[name] = row[name] and datetime.fromisoformat(row[name])
    for name in _JSON:
        if row[name] is not None and not isinstance(row[name], str):
            row[name] = json.dumps(row[name], ensure_ascii=False)
    return row


def _groups(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while group := list(islice(rows, GROUP)):
        yield group
