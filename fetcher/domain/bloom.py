"""A Bloom filter of names."""

from __future__ import annotations

from collections.abc import Iterable

_BITS_A_NAME = 16
_LEAST = 64 * 1024
_SECOND = 29
"""Shift between a name's two bits in its hash. It suffices for 2**29 bits, 32 million names."""


class BloomFilter:
    """A Bloom filter: membership without false negatives and with about 2 % false positives.

    It takes 16 bits a name: 2 MB for a million names, compared with 120 MB for a set. Use it to discard most unwanted
    names before an exact lookup.
    """

    __slots__ = ("_bits", "_count", "_mask")

    def __init__(self, count: int, names: Iterable[str]) -> None:
        size = 1 << (max(count * _BITS_A_NAME, _LEAST) - 1).bit_length()
        self._mask = size - 1
        self._bits = bytearray(size // 8)
        self._count = 0
        for name in names:
            self._count += 1
            for bit in self._places(name):
                self._bits[bit >> 3] |= 1 << (bit & 7)

    def __len__(self) -> int:
        return self._count

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and all(self._bits[bit >> 3] >> (bit & 7) & 1 for bit in self._places(name))

    def _places(self, name: str) -> tuple[int, int]:
        hashed = hash(name)
        return hashed & self._mask, hashed >> _SECOND & self._mask
