"""Packs are read within limits, and no input makes the reader fail otherwise than by its own errors."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.git.commits import Author, UnreadableCommit, read_commit
from fetcher.git.packs import SHA1, BadPack, PackLimits, PackTooLarge, read_pack
from tests.harness.scripted_git import COMMIT, OFS_DELTA, REF_DELTA, TREE, commit, entry, oid_of, pack_of

FIRST = commit("first")
SECOND = commit("second", [oid_of(FIRST)])


def delta(base: bytes, result: bytes) -> bytes:
    """Return a delta that inserts ``result``, in pieces of 127 bytes."""
    pieces = [result[start : start + 127] for start in range(0, len(result), 127)]
    return _number(len(base)) + _number(len(result)) + b"".join(bytes([len(piece)]) + piece for piece in pieces)


def _number(value: int) -> bytes:
    return bytes([value & 0x7F | 0x80, value >> 7])


def oids(pack: bytes) -> list[str]:
    return [one.oid for one in read_pack(pack, SHA1)]


def test_commits_and_other_objects() -> None:
    """Commits are returned in the order of the pack; trees are skipped."""
    pack = pack_of(entry(COMMIT, SECOND), entry(TREE, b""), entry(COMMIT, FIRST))
    assert oids(pack) == [oid_of(SECOND), oid_of(FIRST)]


def test_deltas_of_earlier_and_later_objects() -> None:
    """A delta names its base by its distance or by its oid, and an oid may come later."""
    raw = bytes.fromhex(oid_of(FIRST))
    by_oid = entry(REF_DELTA, delta(FIRST, SECOND), base=raw)
    assert sorted(oids(pack_of(by_oid, entry(COMMIT, FIRST)))) == sorted([oid_of(FIRST), oid_of(SECOND)])
    base = entry(COMMIT, FIRST)
    distance = len(base)
    back = bytes([distance]) if distance < 128 else bytes([(distance >> 7) - 1 | 0x80, distance & 0x7F])
    assert oids(pack_of(base, entry(OFS_DELTA, delta(FIRST, SECOND), base=back))) == [oid_of(FIRST), oid_of(SECOND)]


def test_a_delta_without_its_base() -> None:
    """A pack that leans on objects of the client is refused, because there are none."""
    thin = pack_of(entry(REF_DELTA, delta(FIRST, SECOND), base=b"\1" * 20))
    with pytest.raises(BadPack, match="lacks"):
        read_pack(thin, SHA1)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (PackLimits(objects=1), "2 objects"),
        (PackLimits(commit_bytes=100), "at most 100"),
        (PackLimits(inflated_bytes=200), "200 bytes when inflated"),
    ],
)
def test_limits(limits: PackLimits, message: str) -> None:
    """A pack beyond a limit is refused before its content is taken."""
    with pytest.raises(PackTooLarge, match=message):
        read_pack(pack_of(entry(COMMIT, SECOND), entry(COMMIT, FIRST)), SHA1, limits)


def test_a_small_object_takes_time_as_well() -> None:
    """A hundred objects with 15 kB in all exceed a limit of 20 kB, because deltas of ten bytes take time by number."""
    pack = pack_of(*[entry(COMMIT, FIRST)] * 100)
    with pytest.raises(PackTooLarge, match="20000 bytes when inflated"):
        read_pack(pack, SHA1, PackLimits(inflated_bytes=20_000))
    assert len(read_pack(pack, SHA1, PackLimits(inflated_bytes=60_000))) == 100


def test_a_delta_that_grows() -> None:
    """The size that a delta states is compared with the limit before it is applied."""
    huge = bytes([0xFF, 0xFF, 0xFF, 0xFF, 0x7F])
    grown = _number(len(FIRST)) + huge + bytes([0x90, 1])
    pack = pack_of(entry(COMMIT, FIRST), entry(REF_DELTA, grown, base=bytes.fromhex(oid_of(FIRST))))
    with pytest.raises(PackTooLarge):
        read_pack(pack, SHA1)


def test_an_endless_number() -> None:
    """A number of millions of bytes costs no time."""
    endless = b"\xff" * 2_000_000
    with pytest.raises((BadPack, PackTooLarge)):
        read_pack(pack_of(endless, count=1), SHA1)


@given(st.binary(max_size=400), st.integers(min_value=0, max_value=400), st.binary(min_size=1, max_size=20))
def test_no_pack_crashes_the_reader(noise: bytes, place: int, inserted: bytes) -> None:
    """Damaged packs with a right checksum raise the reader's own errors only."""
    honest = pack_of(entry(COMMIT, SECOND), entry(COMMIT, FIRST))[:-20]
    damaged = honest[:place] + inserted + honest[place + len(inserted) :]
    for content in (noise, damaged, b"PACK\0\0\0\2\0\0\0\3" + noise):
        pack = content + hashlib.sha1(content, usedforsecurity=False).digest()
        try:
            read_pack(pack, SHA1)
        except (BadPack, PackTooLarge):
            continue


@given(st.binary(max_size=300))
def test_no_commit_crashes_the_reader(noise: bytes) -> None:
    """Any content is a commit, or raises the reader's own error."""
    lines = (b"tree " + b"0" * 40 + b"\n", b"author Ann <a@x> ", b"committer Ann <a@x> 1 +0000\n\n")
    for content in (noise, lines[0] + noise, lines[0] + lines[1] + noise + b"\n" + lines[2]):
        try:
            found = read_commit("0" * 40, content)
        except UnreadableCommit:
            continue
        assert found.authored_at is None or found.authored_at.tzinfo is not None


@pytest.mark.parametrize(
    ("author", "name", "address", "year"),
    [
        (b"Ann <Ann@X> 1700000000 +0100", "Ann", "ann@x", 2023),
        (b"Ann <ann@x> 1700000000 0100", "Ann", "ann@x", 2023),
        (b"ann@x 1700000000 +0000", "ann@x", "ann@x", 2023),
        (b"Ann <ann@x> -100 +0000", "Ann", "ann@x", 1969),
        (b"Ann <ann@x> 99999999999999999999 +0000", "Ann", "ann@x", None),
        (b"Ann <ann@x> <b@y> 1700000000 +0000", "Ann", "ann@x", 2023),
    ],
)
def test_odd_author_lines(author: bytes, name: str, address: str, year: int | None) -> None:
    """Lines of old and broken histories are read as git reads them."""
    content = b"tree " + b"0" * 40 + b"\nauthor " + author + b"\ncommitter Bob <b@x> 1700000000 +0000\n\nwork\n"
    found = read_commit("0" * 40, content)
    assert (found.author.name, found.author.address) == (name, address)
    assert (None if found.authored_at is None else found.authored_at.year) == year
    assert address not in repr(found) or address == name


def test_an_unreadable_author_line() -> None:
    """The commit keeps its parents, without an author and dates; one without a tree is no commit."""
    content = commit("work", ["a" * 40]).replace(b"1700000000", b"in spring")
    found = read_commit("0" * 40, content)
    assert found.parents == ("a" * 40,)
    assert (found.author, found.authored_at, found.committed_at) == (Author("", ""), None, None)
    with pytest.raises(UnreadableCommit):
        read_commit("0" * 40, b"author nobody\n\n")


def test_a_stated_encoding() -> None:
    """A name is decoded by the commit's encoding; an unknown one is read as UTF-8."""
    for encoding, raw in ((b"ISO-8859-1", b"Jos\xe9"), (b"no-such-encoding", "José".encode())):
        lines = b"tree " + b"0" * 40 + b"\nauthor " + raw + b" <j@x> 1 +0000\ncommitter J <j@x> 1 +0000\n"
        assert read_commit("0" * 40, lines + b"encoding " + encoding + b"\n\nwork\n").author.name == "José"
