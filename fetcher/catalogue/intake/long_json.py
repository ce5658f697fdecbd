"""Streaming reader of a large JSON list or page: one element in memory at a time.

It uses the decoder of small values, so errors do not depend on a file's length. A push parser would be slightly faster,
but has three faults. It loses the rest of the file after a number beyond 64 bits. It replaces a lone surrogate by a
question mark. Nested brackets exhaust its memory.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import BinaryIO, NoReturn

from fetcher.catalogue.intake.items import Item, PassedOver, Rejected, as_item

LONGEST_ELEMENT = 8 * 1024 * 1024
"""Longest element in characters; a longer one is rejected. No document is that long."""
PAGE_KEYS = ("objects", "results")
NOT_FOLLOWED = "its link to the next page: links are followed only from an address"

_PIECE = 256 * 1024
_SPACE = " \t\n\r"


def long_json(stream: BinaryIO, where: str) -> Iterator[Item]:
    """Yield the documents of a list or page. Invalid JSON ends them with a rejected record; earlier items count."""
    text = _Text(stream)
    try:
        if text.next() == "{":
            yield from _page(text, where)
        else:
            yield from _list(text, where, "")
        if text.next():
            text.fail("the end")
    except _NotJson as fault:
        yield Rejected(where, *fault.args)


class _NotJson(Exception):
    """Internal error of invalid JSON: the position, the expected form and the actual text."""


def _list(text: _Text, where: str, key: str) -> Iterator[Item]:
    text.take("[", "a list of documents")
    index = 0
    while text.next() != "]":
        if index:
            text.take(",", "a comma or the list's end")
        yield as_item(f"{where}, {key}[{index}]", text.value())
        index += 1
    text.take("]", "the list's end")


def _page(text: _Text, where: str) -> Iterator[Item]:
    text.take("{", "an object")
    found, link = False, None
    first = True
    while text.next() != "}":
        if not first:
            text.take(",", "a comma or the object's end")
        first = False
        key = text.value()
        text.take(":", "a colon")
        if key in PAGE_KEYS and text.next() == "[":
            found = True
            yield from _list(text, where, str(key))
            continue
        value = text.value()
        if key == "next":
            link = value
        elif key == "meta" and isinstance(value, dict):
            link = value.get("next") or link
    text.take("}", "the object's end")
    if not found:
        yield Rejected(where, "document", "a list of documents, or a page of them", "another object of such a length")
    elif link:
        yield PassedOver(where, NOT_FOLLOWED)


class _Text:
    """Unread text of a stream: a moving window that grows for one element only."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        # An invalid byte becomes a lone surrogate, which documents must not hold: only its record is rejected.
        self._decode = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape").decode
        self._decoder = json.JSONDecoder(parse_constant=_refuse)
        self._text = ""
        self._at = 0
        self._line = 1
        """Line number at the window's start."""
        self._ended = False

    def next(self) -> str:
        """Return the next non-space character without consuming it; ``""`` at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _SPACE:
                    return self._text[self._at]
                self._at += 1
            if not self._more():
                return ""

    def take(self, character: str, expected: str) -> None:
        if self.next() != character:
            self.fail(expected)
        self._at += 1

    def value(self) -> object:
        """Parse and consume the next complete value."""
        self.next()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                ahead = error.pos - self._at
                if not self._may_go_on():
                    self._at += ahead
                    self.fail(f"JSON ({error.msg})")
            except RecursionError:
                raise _NotJson(self._place(), "JSON", "values nested too deep") from None
            except ValueError as error:
                raise _NotJson(self._place(), "JSON", " ".join(str(error).split())[:100]) from None
            else:
                # A number at the window's end may be incomplete: "1" of "12", or "1" of "1e+9".
                length = end - self._at
                if end + 2 < len(self._text) or not self._may_go_on():
                    self._at += length
                    return value

    def fail(self, expected: str) -> NoReturn:
        there = self._text[self._at : self._at + 20]
        raise _NotJson(self._place(), expected, ascii(there) if there else "the end")

    def _place(self) -> str:
        return f"line {self._line + self._text.count(chr(10), 0, self._at)}"

    def _may_go_on(self) -> bool:
        return len(self._text) - self._at <= LONGEST_ELEMENT and self._more()

    def _more(self) -> bool:
        """Read the next piece; drop consumed text from the window."""
        if self._ended:
            return False
        raw = self._stream.read(max(_PIECE, len(self._text) - self._at))
        self._ended = not raw
        piece = self._decode(raw, self._ended)
        self._line += self._text.count("\n", 0, self._at)
        self._text = self._text[self._at :] + piece
        self._at = 0
        return bool(piece) or not self._ended


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant}, which is not JSON")
