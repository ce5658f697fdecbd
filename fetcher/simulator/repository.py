"""One simulated GitHub repository."""

import base64
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
    def node_id(self) -> str:
        """Return the global id in its new form."""
        return node_id("Repository", self.database_id)

    @property
    def empty(self) -> bool:
        return self.history.tip is None


class NodeIds(StrEnum):
    """The two forms of GitHub's global ids. A client may receive either and must treat both as opaque."""

    NEW = "new"
    """A prefix for the type, and the MessagePack of ``[0, database id]`` in base64."""
    LEGACY = "legacy"
    """The base64 of the type's length, its name and the database id: ``010:Repository1296269``."""


PREFIXES = {"Repository": "R", "User": "U", "Language": "LA", "License": "LI"}


def node_id(kind: str, database_id: int, form: NodeIds = NodeIds.NEW) -> str:
    """Return the global id of an object of a GraphQL type."""
    if form is NodeIds.LEGACY:
        return base64.b64encode(f"{_legacy_type(kind)}{database_id}".encode()).decode()
    packed = b"\x92\x00\xce" + database_id.to_bytes(4, "big")
    return f"{PREFIXES[kind]}_{base64.urlsafe_b64encode(packed).decode().rstrip('=')}"


def database_id_of(node: str, kind: str = "Repository") -> int | None:
    """Return the number inside a global id of the given type in either form; None for any other text."""
    prefix, _, packed = node.partition("_")
    if prefix == PREFIXES[kind] and len(packed) == 10:
        raw = _decoded(packed + "==")
        return int.from_bytes(raw[3:], "big") if raw[:3] == b"\x92\x00\xce" else None
    legacy, text = _legacy_type(kind).encode(), _decoded(node)
    number = text[len(legacy) :]
    return int(number) if text.startswith(legacy) and number.isdigit() else None


def _legacy_type(kind: str) -> str:
    return f"0{len(kind)}:{kind}"


def _decoded(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text)
    except ValueError:
        return b""
