"""GitHub's global ids, in both forms."""

import base64
from enum import StrEnum

from fetcher.simulator.repository import Repository


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


def node_id_of(repository: Repository) -> str:
    """Return a repository's global id in its new form."""
    return node_id("Repository", repository.database_id)


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
