"""One simulated repository of a forge."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from fetcher.simulator.git.objects import SHA1
from fetcher.simulator.history import History, WrittenHistory

DEFAULT_HOST = "github.com"


def address_of(target: str) -> str:
    """Return the address ``host/path`` that a target names: a target of two parts, ``owner/name``, is on GitHub."""
    return target if target.count("/") > 1 else f"{DEFAULT_HOST}/{target}"


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
    """The path above the name; a host with nested groups has several parts here."""
    name: str
    host: str = DEFAULT_HOST
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
    object_format: str = SHA1
    """The hash of its commits' ids: ``sha1`` or ``sha256``."""
    contributors_too_large: bool = False
    """GitHub returns 403 "history or contributor list is too large" for such a repository."""

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.name}"

    @property
    def address(self) -> str:
        """Return ``host/path``."""
        return f"{self.host}/{self.full_name}"

    @property
    def target(self) -> str:
        """Return the name for changes, actions and truths: ``owner/name`` on GitHub, otherwise the address."""
        return self.full_name if self.host == DEFAULT_HOST else self.address

    @property
    def empty(self) -> bool:
        return self.history.tip is None
