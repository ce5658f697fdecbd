"""Byte streams with a progress callback, and streams that replay the bytes read for format detection."""

from __future__ import annotations

from collections.abc import Callable
from io import BufferedReader, RawIOBase
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, cast

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Watch: TypeAlias = Callable[[int], None]
"""Callback that receives the number of bytes of each piece read."""

_PIECE = 256 * 1024


def nothing(_read: int) -> None:
    """Ignore the progress."""


def watched(stream: BinaryIO, watch: Watch) -> BinaryIO:
    """Return ``stream`` with ``watch`` called for each piece read."""
    return _buffered(b"", stream, watch)


def again(raw: bytes, stream: BinaryIO) -> BinaryIO:
    """Return a stream of ``raw``, which was read from ``stream``, followed by the rest of ``stream``."""
    return _buffered(raw, stream, nothing)


def _buffered(raw: bytes, stream: BinaryIO, watch: Watch) -> BinaryIO:
    return cast(BinaryIO, BufferedReader(_Joined(raw, stream, watch), _PIECE))


class _Joined(RawIOBase):
    """Bytes followed by a stream, which its owner must close."""

    def __init__(self, raw: bytes, stream: BinaryIO, watch: Watch) -> None:
        self._raw = memoryview(raw)
        self._stream = stream
        self._watch = watch

    def readable(self) -> bool:
        return True

    def readinto(self, into: WriteableBuffer, /) -> int:
        view = memoryview(into)
        if self._raw:
            piece: bytes | memoryview = self._raw[: len(view)]
            self._raw = self._raw[len(piece) :]
        else:
            piece = self._stream.read(len(view))
        view[: len(piece)] = piece
        self._watch(len(piece))
        return len(piece)
