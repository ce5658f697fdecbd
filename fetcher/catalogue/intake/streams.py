"""Streams of bytes that can be watched, and that give again what was read to know their format."""

from __future__ import annotations

from collections.abc import Callable
from io import BufferedReader, RawIOBase
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, cast

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Watch: TypeAlias = Callable[[int], None]
"""Is told of each piece's bytes."""

_PIECE = 256 * 1024


def nothing(_read: int) -> None:
    """Nobody watches."""


def watched(stream: BinaryIO, watch: Watch) -> BinaryIO:
    """``stream``, and ``watch`` hears of what is read from it."""
    return _buffered(b"", stream, watch)


def again(raw: bytes, stream: BinaryIO) -> BinaryIO:
    """``raw``, which was read from ``stream``, and then the rest of it."""
    return _buffered(raw, stream, nothing)


def _buffered(raw: bytes, stream: BinaryIO, watch: Watch) -> BinaryIO:
    return cast(BinaryIO, BufferedReader(_Joined(raw, stream, watch), _PIECE))


class _Joined(RawIOBase):
    """Bytes and then a stream, which stays its owner's to close."""

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
