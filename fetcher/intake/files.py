"""Files and folders of packages: which format a file has, by its content first, and its records one by one."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto
from pathlib import Path
from typing import BinaryIO

from fetcher.errors import InputError
from fetcher.intake.address_lines import address_lines, words_of
from fetcher.intake.csv_records import csv_records, delimiter_of, is_header
from fetcher.intake.documents_json import json_lines, page_of, parse_json
from fetcher.intake.items import Item, PassedOver, Rejected
from fetcher.intake.lines import BOM, LONGEST_LINE, decoded, read_lines

LARGEST_JSON = 256 * 1024 * 1024
"""One JSON value is held as a whole; more than this is better handed in as JSON lines."""

SUFFIXES = frozenset({".json", ".jsonl", ".ndjson", ".csv", ".txt"})
_HEAD = 8192
"""How much of a file is looked at for what no text contains."""

_LINES_SUFFIXES = frozenset({".jsonl", ".ndjson"})
_FORMATS = "Give v4 documents as JSON or JSON lines, CSV with a header, or a text of repository addresses"


class _Format(Enum):
    JSON = auto()
    JSON_LINES = auto()
    CSV = auto()
    ADDRESSES = auto()


def read_path(path: Path) -> Iterator[Item]:
    """What a file or a folder holds. Raises ``InputError`` where it cannot be read at all."""
    return read_folder(path) if path.is_dir() else read_file(path)


def read_file(path: Path) -> Iterator[Item]:
    """The records of one file, streamed where its format allows.

    Raises ``InputError`` at once where the file is missing, empty, binary or of no known format.
    """
    first = _first_line(path)
    return _records(path, _format_of(path, first), first)


def read_folder(path: Path) -> Iterator[Item]:
    """The records of every file of packages in a folder, in the order of their names.

    Hidden files are none of them; others are named as passed over. A file that cannot be read is a rejected one.
    Raises ``InputError`` at once where there is no file to read.
    """
    with _reading(path):
        members = sorted(one for one in path.iterdir() if not one.name.startswith("."))
    if not any(_usable(one) for one in members):
        raise InputError(f"{path} holds no file of packages", f"{_FORMATS} ({', '.join(sorted(SUFFIXES))})")
    return _members(members)


def _members(members: list[Path]) -> Iterator[Item]:
    for one in members:
        if not _usable(one):
            yield PassedOver(one.name, "not a file of packages")
            continue
        try:
            yield from read_file(one)
        except InputError as error:
            yield Rejected(one.name, "file", "a file of packages", error.message)


def _usable(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.is_dir()


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """What the file system refuses is the user's to mend."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path} does not exist", "Give a file, or a folder of files") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})", "Check its permissions") from None


def _first_line(path: Path) -> str:
    """The first line that says anything, which tells the format."""
    with _reading(path):
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError(f"{path} is not a file", "Give a file, or a folder of files")
        with path.open("rb") as stream:
            if b"\x00" in stream.read(_HEAD):
                raise InputError(f"{path} is a binary file (or UTF-16)", f"{_FORMATS}, in UTF-8")
            stream.seek(0)
            while line := stream.readline(LONGEST_LINE):
                text = line.removeprefix(BOM).decode("utf-8", "replace").strip()
                if text and not text.startswith("#"):
                    return text
    raise InputError(f"{path} is empty", _FORMATS)


def _format_of(path: Path, first: str) -> _Format:
    suffix = path.suffix.lower()
    if first.startswith(("{", "[")):
        return _json_format(path, first, suffix)
    if is_header(first):
        return _Format.CSV
    if suffix == ".csv":
        raise InputError(f"{path} has no header", "Begin with a line of columns such as repo_url,pypi_url")
    if suffix in _LINES_SUFFIXES:
        return _Format.JSON_LINES
    if suffix == ".json":
        return _Format.JSON
    if suffix != ".txt" and "://" not in first and "@" not in words_of(first)[0]:
        raise InputError(f"{path} is of no known format", _FORMATS)
    return _Format.ADDRESSES


def _json_format(path: Path, first: str, suffix: str) -> _Format:
    """JSON lines where the first line is a value by itself and more follow, or where the name says so."""
    named = suffix in _LINES_SUFFIXES and first != "{"
    if first.startswith("{") and (named or (_is_json(first) and _goes_on(path))):
        return _Format.JSON_LINES
    with _reading(path):
        size = path.stat().st_size
    if size > LARGEST_JSON:
        raise InputError(f"{path} is larger than {LARGEST_JSON} bytes", "Hand it in as JSON lines")
    return _Format.JSON


def _is_json(line: str) -> bool:
    return not isinstance(parse_json(line, ""), Rejected)


def _goes_on(path: Path) -> bool:
    """Whether two lines of the file say anything."""
    with _reading(path), path.open("rb") as stream:
        said = 0
        while said < 2 and (line := stream.readline(LONGEST_LINE)):
            said += bool(line.removeprefix(BOM).strip())
        return said == 2


def _records(path: Path, form: _Format, first: str) -> Iterator[Item]:
    with _reading(path), path.open("rb") as stream:
        match form:
            case _Format.JSON:
                yield from _whole_json(stream, path.name)
            case _Format.JSON_LINES:
                yield from json_lines(read_lines(stream, path.name), path.name)
            case _Format.CSV:
                yield from csv_records(read_lines(stream, path.name), path.name, delimiter_of(first))
            case _Format.ADDRESSES:
                yield from address_lines(read_lines(stream, path.name), path.name)


def _whole_json(stream: BinaryIO, where: str) -> Iterator[Item]:
    text = decoded(stream.read(LARGEST_JSON), where)
    value = text if isinstance(text, Rejected) else parse_json(text, where)
    if isinstance(value, Rejected):
        yield value
        return
    page = page_of(value, where)
    yield from page.items
    if page.next is not None:
        yield PassedOver(where, "its link to the next page: links are followed only from an address")
