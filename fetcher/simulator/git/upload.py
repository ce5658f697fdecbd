"""``git upload-pack`` for one repository: the commands ``ls-refs`` and ``fetch`` of version 2 of the protocol.

Sources: git's ``gitprotocol-v2``, and ``upload-pack.c`` where that leaves details open. The tests compare it with git's
own ``upload-pack`` on the same commits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from fetcher.simulator.git.objects import EMPTY_TREE, commit_object
from fetcher.simulator.git.packets import COMMIT, DELIMITER, FLUSH, TREE, banded, pack_of, packet
from fetcher.simulator.git_log import by_oid
from fetcher.simulator.history import Commit
from fetcher.simulator.repository import Repository

AGENT = "git/2.39.5"
NO_TREES = "tree:0"
ELSEWHERE = "refs/heads/work"
"""The branch that holds the commits of a repository whose default branch is missing."""

Parents = Callable[[Commit], Iterable[str]]


class FatalError(Exception):
    """The end of ``upload-pack`` without a response; the server has sent ``sent`` before."""

    def __init__(self, sent: bytes = b"") -> None:
        super().__init__(sent)
        self.sent = sent


def capabilities(object_format: str, *, filters: bool) -> bytes:
    """Return the advertisement of version 2."""
    features = "shallow wait-for-done" + (" filter" if filters else "")
    lines = ("version 2", f"agent={AGENT}", "ls-refs=unborn", f"fetch={features}", f"object-format={object_format}")
    return b"".join(packet(f"{line}\n") for line in lines) + FLUSH


def refs(repository: Repository) -> dict[str, str]:
    """Return the oids of the branches by their names, HEAD first where it leads to a commit."""
    tip = repository.history.tip
    if tip is None:
        return {}
    if repository.default_branch_missing:
        return {ELSEWHERE: tip.oid}
    return {"HEAD": tip.oid, _branch(repository): tip.oid}


def ls_refs(repository: Repository, arguments: Iterable[str]) -> bytes:
    """Return the response to ``ls-refs``."""
    given = list(arguments)
    prefixes = tuple(one.removeprefix("ref-prefix ") for one in given if one.startswith("ref-prefix ")) or ("",)
    target = f" symref-target:{_branch(repository)}" if "symrefs" in given else ""
    known = refs(repository)
    lines = [
        f"{oid} {name}{target if name == 'HEAD' else ''}\n" for name, oid in known.items() if name.startswith(prefixes)
    ]
    if "HEAD" not in known and "unborn" in given and "HEAD".startswith(prefixes):
        lines.insert(0, f"unborn HEAD{target}\n")
    return b"".join(packet(line) for line in lines) + FLUSH


def _branch(repository: Repository) -> str:
    return f"refs/heads/{repository.default_branch}"


@dataclass(slots=True)
class Wanted:
    """The arguments of a ``fetch``."""

    want: list[str] = field(default_factory=list)
    have: list[str] = field(default_factory=list)
    shallow: set[str] = field(default_factory=set)
    done: bool = False
    deepen: int | None = None
    deepen_since: int | None = None
    filter: str = ""

    @classmethod
    def read(cls, arguments: Iterable[str], *, filters: bool) -> Wanted:
        """Read the arguments; FatalError for one that the server does not support."""
        wanted = cls()
        for line in arguments:
            name, _, value = line.partition(" ")
            match name:
                case "want":
                    wanted.want.append(value)
                case "have":
                    wanted.have.append(value)
                case "shallow":
                    wanted.shallow.add(value)
                case "done":
                    wanted.done = True
                case "deepen":
                    wanted.deepen = int(value)
                case "deepen-since":
                    wanted.deepen_since = int(value)
                case "filter" if filters:
                    wanted.filter = value
                case "no-progress" | "thin-pack" | "ofs-delta" | "include-tag" | "wait-for-done":
                    pass
                case _:
                    raise FatalError
        return wanted


def fetch(repository: Repository, arguments: Iterable[str], *, filters: bool = True) -> bytes:
    """Return the response to ``fetch``. Commits that a forced push replaced can be named in it as well."""
    wanted = Wanted.read(arguments, filters=filters)
    known = _known(repository)
    for oid in wanted.want:
        if oid not in known:
            return packet(f"ERR upload-pack: not our ref {oid}")
    common = [oid for oid in wanted.have if oid in known]
    response = b""
    if wanted.have and not wanted.done:
        acknowledged, ready = _acknowledgments(known, wanted, common)
        response = packet("acknowledgments\n") + acknowledged
        if not ready:
            return response + FLUSH
        response += DELIMITER
    edge: set[str] = set()
    if wanted.deepen is not None:
        edge, inner = _within(known, wanted.want, wanted.deepen)
        response += _shallow_info(wanted, inner, edge)
    elif wanted.deepen_since is not None:
        young = _young(known, wanted.want, wanted.deepen_since)
        if not young:
            raise FatalError(response + packet("shallow-info\n"))
        edge = {oid for oid in young if any(parent not in young for parent in known[oid].parents)}
        response += _shallow_info(wanted, young - edge, edge)
    cut = edge or wanted.shallow

    def parents(commit: Commit) -> Iterable[str]:
        return () if commit.oid in cut else commit.parents

    sent = _reached(known, wanted.want, parents).keys() - _reached(known, common, parents).keys()
    with_tree = NO_TREES not in wanted.filter and not common  # the client has the only tree with any commit
    return response + _packfile(repository, (known[oid] for oid in sent), with_tree=with_tree)


def _known(repository: Repository) -> Mapping[str, Commit]:
    """Return the commits of the default branch and of the histories that a forced push replaced."""
    if not repository.abandoned:
        return by_oid(repository.history)
    return {oid: one for history in (*repository.abandoned, repository.history) for oid, one in by_oid(history).items()}


def _acknowledgments(known: Mapping[str, Commit], wanted: Wanted, common: list[str]) -> tuple[bytes, bool]:
    """Return the acknowledgments, and whether the pack follows: if each wanted commit reaches a common one."""
    lines = [f"ACK {oid}\n" for oid in common] or ["NAK\n"]
    shared = set(common)
    ready = bool(common) and all(
        shared & _reached(known, [oid], lambda commit: commit.parents).keys() for oid in wanted.want
    )
    return b"".join(packet(line) for line in [*lines, *(["ready\n"] if ready else [])]), ready


def _within(known: Mapping[str, Commit], start: Iterable[str], depth: int) -> tuple[set[str], set[str]]:
    """Return the commits at a distance of ``depth`` from the start, which counts as 1, and those before them."""
    inner: set[str] = set()
    layer = {oid for oid in start if oid in known}
    for _ in range(depth - 1):
        inner |= layer
        layer = {parent for oid in layer for parent in known[oid].parents if parent in known} - inner
    return layer, inner


def _young(known: Mapping[str, Commit], start: Iterable[str], since: int) -> set[str]:
    """Return the commits that the start reaches through commits of the committer date ``since`` or later."""
    found: set[str] = set()
    waiting = list(start)
    while waiting:
        oid = waiting.pop()
        commit = known.get(oid)
        if commit is None or oid in found or int(commit.committed_at.timestamp()) < since:
            continue
        found.add(oid)
        waiting += commit.parents
    return found


def _shallow_info(wanted: Wanted, inner: set[str], edge: set[str]) -> bytes:
    """Return the commits that are sent without their parents, and those whose parents are sent now."""
    lines = [f"shallow {oid}\n" for oid in sorted(edge - wanted.shallow)]
    lines += [f"unshallow {oid}\n" for oid in sorted(wanted.shallow & inner)]
    return packet("shallow-info\n") + b"".join(packet(line) for line in lines) + DELIMITER


def _reached(known: Mapping[str, Commit], start: Iterable[str], parents: Parents) -> dict[str, None]:
    """Return the oids of the commits that the start reaches, each before its parents were looked at."""
    found: dict[str, None] = {}
    waiting = [oid for oid in start if oid in known]
    while waiting:
        oid = waiting.pop()
        if oid not in found:
            found[oid] = None
            waiting += [parent for parent in parents(known[oid]) if parent in known]
    return found


def _packfile(repository: Repository, commits: Iterable[Commit], *, with_tree: bool) -> bytes:
    pack = pack_of(_objects(repository, commits, with_tree=with_tree), repository.object_format)
    return packet("packfile\n") + b"".join(banded(pack)) + FLUSH


def _objects(repository: Repository, commits: Iterable[Commit], *, with_tree: bool) -> Iterator[tuple[int, bytes]]:
    """Yield the objects of a pack, the newest commits first as git does."""
    listed = sorted(commits, key=lambda one: (one.committed_at, one.oid), reverse=True)
    for commit in listed:
        yield COMMIT, commit_object(commit, repository.object_format)
    if with_tree and listed:
        yield TREE, EMPTY_TREE
