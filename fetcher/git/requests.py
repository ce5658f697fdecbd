"""Bodies of requests to ``git-upload-pack`` in protocol version 2 (gitprotocol-v2)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dulwich.protocol import pkt_line

from fetcher.git.packs import SHA1, SHA256

NO_TREES: Final = "tree:0"
"""The filter that leaves out trees and files: commits remain."""

_DELIMITER: Final = b"0001"


@dataclass(frozen=True, slots=True)
class Commits:
    """A selection of commits: those that lead to ``want`` and ``others``, without those that lead to ``have``.

    ``since`` leaves out those with an older committer date. ``depth`` leaves out all but the newest.
    """

    want: str
    have: str | None = None
    since: datetime | None = None
    depth: int | None = None
    others: tuple[str, ...] = ()


def format_of(oid: str | None) -> str:
    """Return the object format of an oid, by its length."""
    return SHA256 if oid is not None and len(oid) == 64 else SHA1


def ls_refs(object_format: str, prefix: str = "HEAD") -> bytes:
    """Build the request for references that begin with ``prefix``."""
    return _command("ls-refs", object_format, ["symrefs", f"ref-prefix {prefix}"])


def fetch(commits: Commits, *, filtered: bool) -> bytes:
    """Build the request for a pack of ``commits``; ``filtered`` leaves out trees and files."""
    arguments = ["no-progress", "ofs-delta"]
    if filtered:
        arguments.append(f"filter {NO_TREES}")
    arguments += [f"want {oid}" for oid in (commits.want, *commits.others)]
    if commits.since is not None:
        arguments.append(f"deepen-since {int(commits.since.timestamp())}")
    if commits.depth is not None:
        arguments.append(f"deepen {commits.depth}")
    if commits.have is not None:
        arguments.append(f"have {commits.have}")
    return _command("fetch", format_of(commits.want), [*arguments, "done"])


def _command(name: str, object_format: str, arguments: Iterable[str]) -> bytes:
    lines = [f"command={name}", f"object-format={object_format}"]
    head = b"".join(pkt_line(f"{line}\n".encode()) for line in lines)
    return head + _DELIMITER + b"".join(pkt_line(f"{line}\n".encode()) for line in arguments) + pkt_line(None)
