"""Commits of a pack: oid, parents, author and dates."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache

from dulwich.errors import ObjectFormatException
from dulwich.objects import Commit as ParsedCommit
from dulwich.objects import parse_commit_broken

LONGEST_AUTHOR = 1_000
"""Bytes of an author line that are read. A longer one is cut."""


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

    Author lines without brackets and time zones without a sign occur in old histories, and are accepted.
    """
    commit = ParsedCommit.from_string(content)
    try:
        parents = commit.parents
    except ObjectFormatException:
        commit = _tolerant(content)
        parents = commit.parents
    encoding = (commit.encoding or b"utf-8").decode("ascii", "replace")
    return GitCommit(
        oid,
        tuple(parent.decode("ascii") for parent in parents),
        _author(bytes(commit.author or b"")[:LONGEST_AUTHOR], encoding),
        _moment(commit.author_time),
        _moment(commit.commit_time),
    )


def _tolerant(content: bytes) -> ParsedCommit:
    try:
        return parse_commit_broken(content)
    except (ObjectFormatException, ValueError, IndexError) as error:
        raise UnreadableCommit(f"a commit is not readable ({type(error).__name__})") from None


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
