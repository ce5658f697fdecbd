"""Commits as git's objects. A commit's id is the hash of its object, so every git client accepts it."""

import hashlib
from datetime import UTC, datetime
from functools import lru_cache

from fetcher.simulator.history import Author, Commit

SHA1, SHA256 = "sha1", "sha256"
OBJECT_FORMATS = {SHA1: hashlib.sha1, SHA256: hashlib.sha256}
EMPTY_TREE = b""
"""Every commit has the empty tree: no upstream shows files."""
AUTHORS_KEPT = 65_536


def oid_of(kind: bytes, content: bytes, object_format: str = SHA1) -> str:
    """Return an object's id: the hash of its kind, its length and its content."""
    framed = b"%b %d\0%b" % (kind, len(content), content)
    return OBJECT_FORMATS[object_format](framed, usedforsecurity=False).hexdigest()


EMPTY_TREES = {name: oid_of(b"tree", EMPTY_TREE, name) for name in OBJECT_FORMATS}
_TREE_LINES = {name: f"tree {oid}\n".encode() for name, oid in EMPTY_TREES.items()}


def sealed(
    author: Author,
    authored_at: datetime,
    committed_at: datetime,
    parents: tuple[str, ...],
    message: str,
    object_format: str = SHA1,
) -> Commit:
    """Return a commit with the id of its object. The author is the committer as well."""
    content = _content(author, authored_at, committed_at, parents, message, object_format)
    return Commit(oid_of(b"commit", content, object_format), author, authored_at, committed_at, parents, message)


def commit_object(commit: Commit, object_format: str = SHA1) -> bytes:
    """Return the content of a commit's object. Its hash is ``commit.oid`` if ``sealed`` made the commit."""
    return _content(
        commit.author, commit.authored_at, commit.committed_at, commit.parents, commit.message, object_format
    )


def _content(
    author: Author,
    authored_at: datetime,
    committed_at: datetime,
    parents: tuple[str, ...],
    message: str,
    object_format: str,
) -> bytes:
    person = _person(author)
    above = "".join([f"parent {oid}\n" for oid in parents]).encode()
    return b"%b%bauthor %b %b\ncommitter %b %b\n\n%b\n" % (
        _TREE_LINES[object_format],
        above,
        person,
        _moment(authored_at),
        person,
        _moment(committed_at),
        message.encode(),
    )


@lru_cache(maxsize=AUTHORS_KEPT)
def _person(author: Author) -> bytes:
    return f"{author.name} <{author.email}>".encode()


def _moment(moment: datetime) -> bytes:
    """Return git's form of a time: seconds, and the offset of its zone as ``+hhmm``."""
    if moment.tzinfo is UTC:
        return b"%d +0000" % moment.timestamp()
    return b"%d %b" % (int(moment.timestamp()), moment.strftime("%z")[:5].encode())
