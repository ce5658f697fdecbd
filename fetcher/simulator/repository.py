"""One GitHub repository as the simulator knows it."""

import base64
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from fetcher.simulator.history import History, WrittenHistory


class Block(StrEnum):
    """Why GitHub refuses to show a repository; each has its own answer."""

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
    """Lines that a forced push left behind and that GitHub still finds by oid."""
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
    block: Block | None = None
    contributors_too_large: bool = False
    """GitHub answers 403 "history or contributor list is too large" for such a repository."""

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.name}"

    @property
    def node_id(self) -> str:
        return node_id("R", self.database_id)

    @property
    def empty(self) -> bool:
        return self.history.tip is None


def node_id(prefix: str, database_id: int) -> str:
    """GitHub's global id of today: a type prefix and the MessagePack of ``[0, database id]`` in base64."""
    packed = b"\x92\x00\xce" + database_id.to_bytes(4, "big")
    return f"{prefix}_{base64.urlsafe_b64encode(packed).decode().rstrip('=')}"


def database_id_of(node: str, prefix: str = "R") -> int | None:
    """The number inside a global id of the given type; None if it is none."""
    kind, _, packed = node.partition("_")
    if kind != prefix or len(packed) != 10:
        return None
    try:
        raw = base64.urlsafe_b64decode(packed + "==")
    except ValueError:
        return None
    return int.from_bytes(raw[3:], "big") if raw[:3] == b"\x92\x00\xce" else None
