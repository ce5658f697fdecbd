"""Commits of a pack file (gitformat-pack), read within limits, since a pack from outside is hostile input.

Sizes stated in the pack are compared with the limits before anything is inflated. Other objects than commits are
skipped: a server without filters sends them as well.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from struct import error as StructError  # noqa: N812  (the name of a class)
from typing import Final

from dulwich.errors import ApplyDeltaError
from dulwich.object_format import OBJECT_FORMATS, ObjectFormat
from dulwich.objects import Commit as ParsedCommit
from dulwich.objects import object_header
from dulwich.pack import (
    DELTA_TYPES,
    OFS_DELTA,
    UnpackedObject,
    apply_delta,
    read_pack_header_at,
    take_msb_bytes_at,
    unpack_object_at,
)

from fetcher.git.commits import GitCommit, UnreadableCommit, read_commit

SHA1: Final = "sha1"
SHA256: Final = "sha256"

_HEADER_BYTES = 12
_LONGEST_NUMBER = 10
"""Bytes of a variable-length number: 70 bits. Longer ones would only cost time."""
_LEAST_SPENT = 512
"""Inflated bytes that an object counts at least. A delta of ten bytes takes six microseconds all the same."""
_INFLATED_AT_ONCE = 2_048
"""Compressed bytes passed to zlib at a time: a little more than most commits have."""
_COMMIT: Final = ParsedCommit.type_num
_BROKEN = (AssertionError, ApplyDeltaError, StructError, ValueError, IndexError, TypeError, zlib.error)
"""Errors by which dulwich and zlib report a broken pack."""


class BadPack(Exception):
    """A pack that does not follow its format, or breaks off."""


class PackTooLarge(Exception):
    """A pack beyond the limits."""


@dataclass(frozen=True, slots=True)
class PackLimits:
    """Limits of one pack. A pack beyond one of them is refused."""

    objects: int = 500_000
    commit_bytes: int = 1024 * 1024
    """Inflated bytes of one commit. The largest known ones, with long signatures and messages, have some 100 kB."""
    object_bytes: int = 32 * 1024 * 1024
    """Inflated bytes of another object, which is skipped."""
    inflated_bytes: int = 512 * 1024 * 1024
    """Inflated bytes in all, and those inflated again for deltas. They bound the CPU time: some seconds."""
    delta_depth: int = 250
    """Deltas upon each other. Git itself writes 50 by default."""


LIMITS: Final = PackLimits()


def read_pack(pack: bytes, object_format: str, limits: PackLimits = LIMITS) -> list[GitCommit]:
    """Return the commits of ``pack``, in its order; raise ``BadPack`` or ``PackTooLarge``."""
    try:
        return _Reading(pack, OBJECT_FORMATS[object_format], limits).commits()
    except UnreadableCommit as error:
        raise BadPack(str(error)) from None
    except _BROKEN as error:
        raise BadPack(f"the pack is broken ({type(error).__name__})") from None


@dataclass(slots=True)
class _Reading:
    """One pack while it is read."""

    pack: bytes
    object_format: ObjectFormat
    limits: PackLimits
    spent: int = 0
    """Bytes inflated so far."""
    end: int = 0
    found: list[GitCommit] = field(default_factory=list)
    bases: dict[int, int | None] = field(default_factory=dict)
    """Offsets of known commits, and of the base of each that is a delta."""
    offsets: dict[bytes, int] = field(default_factory=dict)
    """Offsets of known commits, by raw oid."""
    waiting: dict[bytes, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Offsets of deltas whose base has not been read yet, by its raw oid."""

    def commits(self) -> list[GitCommit]:
        self.end = len(self.pack) - self.object_format.oid_length
        count = self._verified()
        position = _HEADER_BYTES
        skipped = False
        for _ in range(count):
            unpacked, following = self._unpack(position)
            skipped = not self._take(position, unpacked) or skipped
            position = following
        if position != self.end:
            raise BadPack("the pack has bytes behind its last object")
        if self.waiting and not skipped:
            raise BadPack("the pack has a delta of an object that it lacks")
        return self.found

    def _verified(self) -> int:
        """Return the number of objects after comparing the pack with its checksum."""
        _, count = read_pack_header_at(self.pack)
        if self.end < _HEADER_BYTES:
            raise BadPack("the pack breaks off")
        digest = self.object_format.hash_object(memoryview(self.pack)[: self.end])  # type: ignore[arg-type]
        if digest != self.pack[self.end :]:
            raise BadPack("the pack differs from its checksum: it is incomplete or damaged")
        if count > self.limits.objects:
            raise PackTooLarge(f"the pack has {count} objects; at most {self.limits.objects} are read")
        return int(count)

    def _unpack(self, position: int) -> tuple[UnpackedObject, int]:
        """Inflate the object at ``position``; return it and the position behind it."""
        start = self.pack[position : min(position + 2 * _LONGEST_NUMBER, self.end)]
        numbers, behind, _ = take_msb_bytes_at(start[:_LONGEST_NUMBER], 0)
        kind = numbers[0] >> 4 & 7
        size = numbers[0] & 15
        for index, byte in enumerate(numbers[1:]):
            size |= (byte & 0x7F) << 4 + 7 * index
        if kind == OFS_DELTA:
            take_msb_bytes_at(start[: behind + _LONGEST_NUMBER], behind)
        self._spend(size, self.limits.commit_bytes if kind == _COMMIT else self.limits.object_bytes, _LEAST_SPENT)
        return unpack_object_at(self.pack, position, self.object_format.hash_func, zlib_bufsize=_INFLATED_AT_ONCE)

    def _spend(self, size: int, most: int, least: int = 0) -> None:
        if size > most:
            raise PackTooLarge(f"the pack has an object of {size} bytes; at most {most} are read")
        self.spent += max(size, least)
        if self.spent > self.limits.inflated_bytes:
            raise PackTooLarge(f"the pack has more than {self.limits.inflated_bytes} bytes when inflated")

    def _take(self, position: int, unpacked: UnpackedObject) -> bool:
        """Add the object at ``position`` if it is a commit; return ``False`` for one that is none."""
        if unpacked.pack_type_num == _COMMIT:
            self._add(position, b"".join(unpacked.decomp_chunks), None)
            return True
        if unpacked.pack_type_num not in DELTA_TYPES:
            return False
        base = self._base(position, unpacked)
        if isinstance(base, bytes):
            self.waiting[base].append(position)
            return True
        if base not in self.bases:
            return False
        self._add(position, self._content(position, base), base)
        return True

    def _base(self, position: int, unpacked: UnpackedObject) -> int | bytes:
        """Return the offset of a delta's base, or its raw oid if no commit with that oid is known."""
        if isinstance(unpacked.delta_base, bytes):
            return self.offsets.get(unpacked.delta_base, unpacked.delta_base)
        return position - (unpacked.delta_base or 0)

    def _add(self, position: int, content: bytes, base: int | None) -> None:
        """Add a commit, and the deltas that were waiting for it."""
        added: list[tuple[int, bytes, int | None]] = [(position, content, base)]
        while added:
            position, content, base = added.pop()
            raw = self.object_format.hash_object(object_header(_COMMIT, len(content)) + content)
            self.bases[position], self.offsets[raw] = base, position
            self.found.append(read_commit(raw.hex(), content))
            added += [(delta, self._content(delta, position), position) for delta in self.waiting.pop(raw, ())]

    def _content(self, position: int, base: int) -> bytes:
        """Return the content of the delta at ``position``, inflating its bases again."""
        chain, above = [position], base
        while (below := self.bases[above]) is not None:
            chain.append(above)
            above = below
            if len(chain) > self.limits.delta_depth:
                raise PackTooLarge(f"the pack has more than {self.limits.delta_depth} deltas upon each other")
        content = b"".join(self._unpack(above)[0].decomp_chunks)
        for offset in reversed(chain):
            content = self._applied(content, b"".join(self._unpack(offset)[0].decomp_chunks))
        return content

    def _applied(self, content: bytes, delta: bytes) -> bytes:
        """Apply one delta, if its result is not too large."""
        _, behind, _ = take_msb_bytes_at(delta[:_LONGEST_NUMBER], 0)
        numbers, _, _ = take_msb_bytes_at(delta[: behind + _LONGEST_NUMBER], behind)
        size = sum((byte & 0x7F) << 7 * index for index, byte in enumerate(numbers))
        self._spend(size, self.limits.commit_bytes)
        return _joined(apply_delta(content, delta))


def _joined(chunks: Sequence[bytes] | bytes) -> bytes:
    return chunks if isinstance(chunks, bytes) else b"".join(chunks)
