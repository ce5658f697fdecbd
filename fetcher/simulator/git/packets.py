"""The framing of git's protocol: packet lines, bands and packs."""

import hashlib
import zlib
from collections.abc import Iterable, Iterator

from fetcher.simulator.git.objects import OBJECT_FORMATS

FLUSH, DELIMITER = b"0000", b"0001"
LONGEST = 65_520
"""The most bytes of a packet, its length included."""
PACK_DATA = b"\x01"
"""The band of a pack's bytes."""
COMMIT, TREE = 1, 2
"""Kinds of objects in a pack."""


class BadRequestError(ValueError):
    """A request that is not made of packet lines."""


def packet(text: str | bytes) -> bytes:
    """Return one packet line."""
    content = text.encode() if isinstance(text, str) else text
    return b"%04x%b" % (len(content) + 4, content)


def packets(body: bytes) -> Iterator[bytes | None]:
    """Yield the lines of a body without their newlines, and None for a flush or a delimiter."""
    at = 0
    while at < len(body):
        try:
            length = int(body[at : at + 4], 16)
        except ValueError:
            raise BadRequestError("bad line length character") from None
        if length < 4:
            yield None
            at += 4
        elif at + length > len(body):
            raise BadRequestError("the last line is cut off")
        else:
            yield body[at + 4 : at + length].removesuffix(b"\n")
            at += length


def banded(pack: bytes) -> Iterator[bytes]:
    """Yield a pack as packets of its band."""
    most = LONGEST - 4 - len(PACK_DATA)
    for at in range(0, len(pack), most):
        yield packet(PACK_DATA + pack[at : at + most])


def pack_of(objects: Iterable[tuple[int, bytes]], object_format: str) -> bytes:
    """Return a pack of whole objects, none of them a delta. Source: git's ``gitformat-pack``."""
    written = [_size(kind, len(content)) + zlib.compress(content, 1) for kind, content in objects]
    pack = b"PACK" + (2).to_bytes(4, "big") + len(written).to_bytes(4, "big") + b"".join(written)
    return pack + _digest(pack, object_format)


def _digest(pack: bytes, object_format: str) -> bytes:
    hasher: hashlib._Hash = OBJECT_FORMATS[object_format](pack, usedforsecurity=False)
    return hasher.digest()


def _size(kind: int, length: int) -> bytes:
    """Return an object's kind and length: four bits of the length, then seven a byte."""
    first, rest = (kind << 4) | (length & 0x0F), length >> 4
    encoded = bytearray()
    while rest:
        encoded.append(first | 0x80)
        first, rest = rest & 0x7F, rest >> 7
    encoded.append(first)
    return bytes(encoded)
