"""Responses of ``git-upload-pack``: sections, errors and broken ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.git.responses import (
    BadResponse,
    References,
    read_advertisement,
    read_fetched,
    read_references,
)
from tests.harness.scripted_git import capabilities, packet, packfile, references

OID = "a" * 40


def test_the_advertisement() -> None:
    """Version, features of `fetch` and the object format; a service line before them is skipped."""
    for before in (b"", packet(b"# service=git-upload-pack\n") + b"0000"):
        found = read_advertisement(before + capabilities(object_format="sha256"))
        assert (found.version, found.filters, found.shallow, found.object_format) == (2, True, True, "sha256")
    assert not read_advertisement(capabilities(features="shallow")).filters
    old = packet(f"{OID} HEAD\0multi_ack\n".encode()) + b"0000"
    assert read_advertisement(packet(b"# service=git-upload-pack\n") + b"0000" + old).version == 0
    assert read_advertisement(packet(b"version 1\n") + old).version == 1


def test_references() -> None:
    """The head with its branch; a detached head; none; one that is not born."""
    assert read_references(references(OID)) == References(OID, "main", 1)
    assert read_references(packet(f"{OID} HEAD\n".encode()) + b"0000") == References(OID, None, 1)
    assert read_references(b"0000") == References(None, None, 0)
    unborn = packet(b"unborn HEAD symref-target:refs/heads/trunk\n") + b"0000"
    assert read_references(unborn) == References(None, "trunk", 0)


@pytest.mark.parametrize("body", [b"", b"00", b"zzzz", b"0005", packet(b"hello"), references(OID)[:-4], b"ffff"])
def test_broken_references(body: bytes) -> None:
    """A response that breaks off, or has other lines, is no empty repository."""
    with pytest.raises(BadResponse):
        read_references(body)


def test_a_fetched_pack() -> None:
    """The pack, with commits that were cut; progress is skipped."""
    shallow = packet(b"shallow-info\n") + packet(f"shallow {OID}\n".encode()) + b"0001"
    progress = packet(b"packfile\n") + packet(b"\x02Counting") + packfile(b"PACK")[len(packet(b"packfile\n")) :]
    for body in (shallow + packfile(b"PACK"), shallow + progress):
        found = read_fetched(body)
        assert (found.pack, found.shallow) == (b"PACK", {OID})


@pytest.mark.parametrize("body", [packet(b"shallow-info\n"), packet(b"ERR No commits selected for shallow request\n")])
def test_no_commit_is_young_enough(body: bytes) -> None:
    """Both forms of that response have no pack, and are no failure."""
    assert read_fetched(body).pack is None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "breaks off"),
        (packet(b"ERR access denied\n"), "git reports: access denied"),
        (packet(b"packfile\n") + packet(b"\x03fatal: out of memory\n") + b"0000", "out of memory"),
        (packet(b"packfile\n") + packet(b"\x01PACK"), "breaks off"),
        (packet(b"something-new\n") + b"0000", "unknown section"),
        (packet(b"shallow-info\n") + packet(f"shallow {OID}\n".encode()), "breaks off"),
    ],
)
def test_broken_packs(body: bytes, reason: str) -> None:
    """Errors are reported as the server states them; a response that breaks off is not taken for a short one."""
    with pytest.raises(BadResponse, match=reason):
        read_fetched(body)


@given(st.binary(max_size=200))
def test_no_response_crashes_a_reader(body: bytes) -> None:
    """Any body is read, or raises the readers' own error."""
    prefixes = (b"", packet(b"version 2\n"), packet(b"packfile\n"), packet(b"shallow-info\n"))
    for read in (read_advertisement, read_references, read_fetched):
        for prefix in prefixes:
            try:
                read(prefix + body)
            except BadResponse:
                continue
