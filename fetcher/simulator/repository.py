"""One simulated GitHub repository."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from fetcher.simulator.history import History, WrittenHistory


class Block(StrEnum):
    """The reason for which GitHub refuses to show a repository; each has its own response."""

    TERMS = "tos"
    """Taken down for the terms of service: 403 "Repository access blocked"."""
    LEGAL = "dmca"
    """A legal takedown: 451."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository at one moment. It is replaced, never changed, so a handler sees one consistent state."""

    database_id: int
    owner: str
    name: str
    created_at: datetime
    pushed_at: datetime
    history: History = field(default_factory=WrittenHistory)
    abandoned: tuple[History, ...] = ()
    """Histories that a forced push replaced and that GitHub still finds by oid."""
    description: str | None = None
    stars: int = 0
    forks: int = 0
    subscribers: int = 0
    archived: bool = False
    disabled: bool = False
    private: bool = False
    fork: bool = False
    language: str | None = "Python"
    license: str | None = None
    default_branch: str = "main"
    default_branch_missing: bool = False
    """The default branch's name leads to no commit, although the repository has commits."""
    block: Block | None = None
    contributors_too_large: bool = False
    """GitHub returns 403 "history or contributor list is too large" for such a repository."""

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.name}"

    @property
    def empty(self) -> bool:
        return self.history.tip is None
