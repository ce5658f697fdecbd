"""A server on loopback that answers git's requests by a function, and packs that no honest server sends."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterable

from tests.harness.loopback import LoopbackServer, Received, Reply

RESULT = {"Content-Type": "application/x-git-upload-pack-result"}
ADVERTISEMENT = {"Content-Type": "application/x-git-upload-pack-advertisement"}
COMMIT, TREE, OFS_DELTA, REF_DELTA = 1, 2, 6, 7


Script = Callable[[str, str, bytes], Reply]
"""Returns the reply to a method, a path with its query, and a body."""


def packet(line: bytes) -> bytes:
    """Return a packet line."""
    return f"{len(line) + 4:04x}".encode() + line


def references(oid: str | None) -> bytes:
    """Return a response to ``ls-refs``."""
    line = b"" if oid is None else packet(f"{oid} HEAD symref-target:refs/heads/main\n".encode())
    return line + b"0000"


def capabilities(*, object_format: str = "sha1", features: str = "shallow filter") -> bytes:
    """Return an advertisement of version 2."""
    lines = ("version 2", "ls-refs", f"fetch={features}", f"object-format={object_format}")
    return b"".join(packet(f"{line}\n".encode()) for line in lines) + b"0000"


def packfile(pack: bytes) -> bytes:
    """Return a response to ``fetch`` with this pack."""
    pieces = (pack[start : start + 60_000] for start in range(0, len(pack), 60_000))
    return packet(b"packfile\n") + b"".join(packet(b"\x01" + piece) for piece in pieces) + b"0000"


def commit(message: str = "work", parents: Iterable[str] = (), at: int = 1_700_000_000) -> bytes:
    """Return the content of a commit object."""
    above = "".join(f"parent {oid}\n" for oid in parents)
    person = f"Ann <ann@first.example> {at} +0000"
    return f"tree {'0' * 40}\n{above}author {person}\ncommitter {person}\n\n{message}\n".encode()


def oid_of(content: bytes) -> str:
    """Return the oid of a commit's content."""
    return hashlib.sha1(b"commit %d\0%b" % (len(content), content), usedforsecurity=False).hexdigest()


def entry(kind: int, content: bytes, *, stated: int | None = None, base: bytes = b"") -> bytes:
    """Return one object of a pack; ``stated`` is the size in its header, ``base`` names a delta's base."""
    size = len(content) if stated is None else stated
    header, size = [kind << 4 | size & 15], size >> 4
    while size:
        header[-1] |= 0x80
        header.append(size & 0x7F)
        size >>= 7
    return bytes(header) + base + zlib.compress(content)


def pack_of(*entries: bytes, count: int | None = None) -> bytes:
    """Return a pack with a right checksum; ``count`` is the stated number of objects."""
    head = b"PACK" + struct.pack(">LL", 2, len(entries) if count is None else count)
    content = head + b"".join(entries)
    return content + hashlib.sha1(content, usedforsecurity=False).digest()


class ScriptedGit(LoopbackServer):
    """A server that answers by ``script`` and records the requests."""

    def __init__(self, script: Script) -> None:
        super().__init__()
        self.script = script
        self.requests: list[tuple[str, str]] = []

    def reply(self, request: Received) -> Reply:
        self.requests.append((request.method, request.path))
        return self.script(request.method, request.path, request.body)
