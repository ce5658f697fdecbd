"""Decoding of compressed bodies in pieces of bounded size, so that a small body cannot fill the memory.

httpx decodes each received piece at once, any number of codings in a row: some hundred bytes can become gigabytes
before their size is known.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

ACCEPTED = "gzip, deflate"
"""Codings that requests accept."""

PIECE = 65_536
"""Most decoded bytes held at a time."""

_ZLIB, _GZIP, _RAW = zlib.MAX_WBITS, zlib.MAX_WBITS | 16, -zlib.MAX_WBITS


class UndecodableBody(Exception):
    """A body in a coding that was not requested, or that does not follow its coding."""


class Decoder:
    """A decoder of one body. ``coding`` is its ``content-encoding``."""

    def __init__(self, coding: str) -> None:
        coding = coding.strip().lower()
        self._unknown = None if coding in {"", "identity", "gzip", "x-gzip", "deflate"} else coding[:40]
        self._may_be_raw = coding == "deflate"
        self._inflate = None if coding in {"", "identity"} else zlib.decompressobj(_ZLIB if self._may_be_raw else _GZIP)
        self._begun = False

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield the decoded bytes of ``data``, at most ``PIECE`` at a time. Bytes after the end are ignored."""
        if self._unknown is not None and data:
            raise UndecodableBody(f"its coding {self._unknown!a} was not requested")
        if self._inflate is None:
            yield data
            return
        self._begun = self._begun or bool(data)
        more = bool(data)
        while more and not self._inflate.eof:
            piece = self._decompress(data)
            data = self._inflate.unconsumed_tail
            more = bool(data) or len(piece) == PIECE
            if piece:
                yield piece

    def end(self) -> None:
        """Raise ``UndecodableBody`` if the body ended before its coding did."""
        if self._inflate is not None and self._begun and not self._inflate.eof:
            raise UndecodableBody("its compressed body breaks off")

    def _decompress(self, data: bytes) -> bytes:
        if self._inflate is None:
            return data
        try:
            piece = self._inflate.decompress(data, PIECE)
        except zlib.error as error:
            if not self._may_be_raw:
                raise UndecodableBody(f"its body is not in its coding ({error})") from None
            self._may_be_raw, self._inflate = False, zlib.decompressobj(_RAW)
            return self._decompress(data)
        self._may_be_raw = False
        return piece
