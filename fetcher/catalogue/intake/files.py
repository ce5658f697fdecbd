"""Files and folders of packages: detection of a file's format, first by content, and its records."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from shlex import quote
from typing import BinaryIO

from fetcher.catalogue.intake.address_lines import address_lines, words_of
from fetcher.catalogue.intake.csv_records import COLUMNS, csv_records, delimiter_of, is_header
from fetcher.catalogue.intake.documents_json import LONGEST_JSON, TO_LINES, json_lines, page_of, parse_json, too_long
from fetcher.catalogue.intake.items import Item, PassedOver, Rejected
from fetcher.catalogue.intake.lines import BOM, LONGEST_LINE, decoded, read_lines
from fetcher.catalogue.intake.streams import Watch, again, nothing, watched
from fetcher.domain.errors import InputError

STDIN = "standard input"
NOT_FOLLOWED = "its link to the next page: links are followed only from an address"

SUFFIXES = frozenset({".json", ".jsonl", ".ndjson", ".csv", ".txt"})
_HEAD = 8192
"""Bytes at the start of a file that are checked for binary content."""

_LINES_SUFFIXES = frozenset({".jsonl", ".ndjson"})
_FORMATS = (
    "Give v4 documents as JSON or JSON lines, CSV with a header such as slug,repo_url,pypi_url, "
    "or a text of repository addresses"
)


class _Format(Enum):
    JSON = auto()
    JSON_LINES = auto()
    CSV = auto()
    ADDRESSES = auto()


def read_path(path: Path, watch: Watch = nothing) -> Iterator[Item]:
    """Yield the items of a file or folder; raise ``InputError`` if it cannot be read at all.

    ``watch`` is called with the number of bytes of each piece read, as the items are consumed.
    """
    return read_folder(path, watch) if path.is_dir() else read_file(path, watch)


def read_file(path: Path, watch: Watch = nothing) -> Iterator[Item]:
    """Yield the records of one file, streamed.

    Raises ``InputError`` at once if the file is missing, empty, binary, of an unknown format, or a JSON value that is
    longer than ``LONGEST_JSON``.
    """
    with _reading(path):
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError(f"{path} is not a file", "Give a file, or a folder of files")
        with path.open("rb") as stream:
            head = _head(stream, str(path))
        form = _format_of(str(path), path.suffix.lower(), head)
        if form is _Format.JSON and path.stat().st_size > LONGEST_JSON:
            command = f"{_to_lines(head.first)} {quote(str(path))} > {quote(f'{path}.jsonl')}"
            raise InputError(*too_long(str(path), command))
    return _file_records(path, form, head.first, watch)


def read_stream(stream: BinaryIO, watch: Watch = nothing) -> Iterator[Item]:
    """Yield the records of standard input or another unseekable stream; raise ``InputError`` as for a file."""
    head = _head(stream, STDIN)
    form = _format_of(STDIN, "", head)
    return _records(watched(again(head.raw, stream), watch), STDIN, form, head.first)


def read_folder(path: Path, watch: Watch = nothing) -> Iterator[Item]:
    """Yield the records of every package file in a folder, in the order of their names.

    Hidden files are ignored; other unsuitable entries are reported as skipped. An unreadable file is a rejected record.
    Raises ``InputError`` at once if the folder has no file to read.
    """
    members = _listed(path)
    if not any(_usable(one) for one in members):
        raise InputError(f"{path} holds no file of packages", f"{_FORMATS} ({', '.join(sorted(SUFFIXES))})")
    return _members(members, watch)


def size_of(path: Path) -> int | None:
    """Return the number of bytes that ``read_path`` will read, as far as it is known."""
    try:
        files = [one for one in _listed(path) if _usable(one)] if path.is_dir() else [path]
        return sum(one.stat().st_size for one in files)
    except (InputError, OSError):
        return None


def _listed(path: Path) -> list[Path]:
    with _reading(path):
        return sorted(one for one in path.iterdir() if not one.name.startswith("."))


def _members(members: list[Path], watch: Watch) -> Iterator[Item]:
    for one in members:
        if not _usable(one):
            yield PassedOver(str(one), "not a file of packages")
            continue
        try:
            yield from read_file(one, watch)
        except InputError as error:
            yield Rejected(str(one), "file", "a file of packages", str(error))


def _usable(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.is_dir()


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Convert errors of the file system to ``InputError``, because the user must fix them."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path} does not exist", "Give a file, or a folder of files") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})", "Check its permissions") from None


@dataclass(frozen=True, slots=True)
class _Head:
    """The beginning of a file, by which its format is detected."""

    first: str
    """The first line that is neither blank nor a comment."""
    goes_on: bool
    """Whether another line follows that is not blank."""
    raw: bytes
    """All bytes read so far."""


def _head(stream: BinaryIO, name: str) -> _Head:
    raw = stream.read(_HEAD)
    if b"\x00" in raw:
        raise InputError(f"{name} is a binary file (or UTF-16)", f"{_FORMATS}, in UTF-8")
    while (head := _head_of(raw)) is None and len(raw) <= LONGEST_LINE and (more := stream.read(len(raw))):
        raw += more
    lines = [text for text in _texts(raw) if text]
    head = head or next((_Head(text, len(lines) > 1, raw) for text in lines if not text.startswith("#")), None)
    if head is None:
        raise InputError(f"{name} is empty", _FORMATS)
    return head


def _head_of(raw: bytes) -> _Head | None:
    """Return the head; ``None`` if more must be read because the last line may be incomplete."""
    lines = [text for text in _texts(raw[: raw.rfind(b"\n") + 1]) if text]
    first = next((text for text in lines if not text.startswith("#")), None)
    return None if first is None or len(lines) < 2 else _Head(first, True, raw)


def _texts(raw: bytes) -> list[str]:
    return [line.decode("utf-8", "replace").strip() for line in raw.removeprefix(BOM).split(b"\n")]


def _format_of(name: str, suffix: str, head: _Head) -> _Format:
    first = head.first
    if first.startswith(("{", "[")):
        return _json_format(first, suffix, goes_on=head.goes_on)
    if is_header(first):
        return _Format.CSV
    if suffix == ".csv":
        columns = f"the columns are {', '.join(COLUMNS)}"
        remedy = f"Begin with a line of columns such as repo_url,pypi_url; {columns}"
        raise InputError(f"{name} has no known column in its first line", remedy)
    if suffix in _LINES_SUFFIXES:
        return _Format.JSON_LINES
    if suffix == ".json":
        return _Format.JSON
    if suffix != ".txt" and "://" not in first and "@" not in words_of(first)[0]:
        raise InputError(f"{name} has an unknown format", _FORMATS)
    return _Format.ADDRESSES


def _json_format(first: str, suffix: str, *, goes_on: bool) -> _Format:
    """Choose JSON lines if the first line is a complete value and more follow, or by the file's name."""
    named = suffix in _LINES_SUFFIXES and first != "{"
    if first.startswith("{") and (named or (_is_json(first) and goes_on)):
        return _Format.JSON_LINES
    return _Format.JSON


def _is_json(line: str) -> bool:
    return not isinstance(parse_json(line, ""), Rejected)


def _file_records(path: Path, form: _Format, first: str, watch: Watch) -> Iterator[Item]:
    with _reading(path), path.open("rb") as stream:
        yield from _records(watched(stream, watch), str(path), form, first)


def _records(stream: BinaryIO, name: str, form: _Format, first: str) -> Iterator[Item]:
    match form:
        case _Format.JSON:
            yield from _json(stream, name, first)
        case _Format.JSON_LINES:
            yield from json_lines(read_lines(stream, name), name)
        case _Format.CSV:
            yield from csv_records(read_lines(stream, name), name, delimiter_of(first))
        case _Format.ADDRESSES:
            yield from address_lines(read_lines(stream, name), name)


def _json(stream: BinaryIO, where: str, first: str) -> Iterator[Item]:
    value = _value(stream, where, first)
    if isinstance(value, Rejected):
        yield value
        return
    page = page_of(value, where)
    yield from page.items
    if page.next is not None:
        yield PassedOver(where, NOT_FOLLOWED)


def _value(stream: BinaryIO, where: str, first: str) -> object:
    """Parse all of ``stream`` as one JSON value; raise ``InputError`` if it is longer than ``LONGEST_JSON``."""
    raw = stream.read(LONGEST_JSON + 1)
    if len(raw) > LONGEST_JSON:
        raise InputError(*too_long(where, f"… | {_to_lines(first)} | fetcher import -"))
    text = decoded(raw, where)
    del raw  # as large as the text
    return text if isinstance(text, Rejected) else parse_json(text, where)


def _to_lines(first: str) -> str:
    """Return the command that converts a JSON value with this first line to JSON lines."""
    return "jq -c '.[]'" if first.startswith("[") else TO_LINES
