"""Commits of a pack: oid, parents, author and dates."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache

from dulwich.errors import ObjectFormatException
from dulwich.objects import Commit as ParsedCommit
from dulwich.objects import parse_commit_broken

LONGEST_AUTHOR = 1_000
"""Bytes of an author line that are read. A longer one is cut."""

_BROKEN = (ObjectFormatException, ValueError, IndexError, TypeError, AssertionError)
"""Errors by which dulwich reports a broken commit."""
_PEOPLE = re.compile(rb"^(author|committer) .*$", re.MULTILINE)


class UnreadableCommit(Exception):
    """A commit object that does not follow git's format."""


@dataclass(frozen=True, slots=True)
class Author:
    """Name and e-mail address of a commit's author. The address is personal data: it leaves this process nowhere."""

    name: str
    address: str = field(repr=False)
    """Compares authors in memory, in lower case. Never stored, logged or shown."""


@dataclass(frozen=True, slots=True)
class GitCommit:
    """One commit. A date is ``None`` where it is not readable."""

    oid: str
    parents: tuple[str, ...]
    author: Author
    authored_at: datetime | None
    committed_at: datetime | None

    @property
    def authored_on(self) -> date | None:
        """The day of the author date, in UTC."""
        return None if self.authored_at is None else self.authored_at.date()


def read_commit(oid: str, content: bytes) -> GitCommit:
    """Parse a commit object; raise ``UnreadableCommit`` if that is impossible.

    Author lines without brackets and time zones without a sign occur in old histories, and are accepted. A commit whose
    author line cannot be read at all has no author and no dates, since its parents matter all the same.
    """
    commit = _parsed(content)
    if commit is None:
        anonymous = _read(_PEOPLE.sub(rb"\1 <> 0 +0000", content), strict=True)
        if anonymous is None:
            raise UnreadableCommit("a commit is not readable")
        return GitCommit(oid, _parents(anonymous), Author("", ""), None, None)
    encoding = (commit.encoding or b"utf-8").decode("ascii", "replace")
    return GitCommit(
        oid,
        _parents(commit),
        _author(bytes(commit.author or b"")[:LONGEST_AUTHOR], encoding),
        _moment(commit.author_time),
        _moment(commit.commit_time),
    )


def _parsed(content: bytes) -> ParsedCommit | None:
    """Return the commit by git's format, otherwise or by the forms of broken histories, or ``None``."""
    commit = _read(content, strict=True)
    if commit is not None and commit.author_time is not None and commit.commit_time is not None:
        return commit
    return _read(content, strict=False)


def _read(content: bytes, *, strict: bool) -> ParsedCommit | None:
    try:
        return ParsedCommit.from_string(content) if strict else parse_commit_broken(content)
    except _BROKEN:
        return None


def _parents(commit: ParsedCommit) -> tuple[str, ...]:
    return tuple(parent.decode("ascii") for parent in commit.parents)


@lru_cache(maxsize=4096)
def _author(line: bytes, encoding: str) -> Author:
    """Split an author line; cached, because most commits of a history have few authors."""
    name, bracket, rest = line.partition(b"<")
    address = rest.partition(b">")[0] if bracket else line
    return Author(_decoded(name, encoding).strip(), _decoded(address, "utf-8").strip().lower())


def _decoded(text: bytes, encoding: str) -> str:
    try:
        return text.decode(encoding)
    except (LookupError, ValueError):
        return text.decode("utf-8", "replace")


def _moment(seconds: int | None) -> datetime | None:
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return None
