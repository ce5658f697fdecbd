"""Lines of a file, decoded one at a time, so that an invalid byte affects one line only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from fetcher.catalogue.intake.items import Rejected

LONGEST_LINE = 8 * 1024 * 1024
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text with its line end, which a quoted CSV cell may contain."""

    number: int
    text: str


def decoded(raw: bytes, where: str, offset: int = 0) -> str | Rejected:
    """Decode ``raw``, which begins at ``offset`` in its file, as UTF-8; reject it with the invalid byte's position."""
    start = len(BOM) if offset == 0 and raw.startswith(BOM) else 0
    try:
        return raw[start:].decode("utf-8")
    except UnicodeDecodeError as error:
        at = start + error.start
        return Rejected(where, "encoding", "UTF-8", f"byte 0x{raw[at]:02x} at position {offset + at}")


def read_lines(stream: BinaryIO, where: str) -> Iterator[Line | Rejected]:
    """Yield every line of ``stream``; memory is bounded by the longest allowed line."""
    offset, number = 0, 0
    while raw := stream.readline(LONGEST_LINE):
        number += 1
        place = f"{where}, line {number}"
        begins = offset
        offset += len(raw)
        if len(raw) == LONGEST_LINE and not raw.endswith(b"\n"):
            while (rest := stream.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                offset += len(rest)
            offset += len(rest)
            yield Rejected(place, "line", f"at most {LONGEST_LINE} bytes", "more")
            continue
        text = decoded(raw, place, begins)
        yield text if isinstance(text, Rejected) else Line(number, text)
