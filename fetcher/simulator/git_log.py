"""The commits of a branch in the order of ``git log``.

Source: git's revision walk (``revision.c``). Of the commits that the walk has reached through a child, it lists the one
with the newest committer date next; of equal dates, the one that it reached first.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from fetcher.simulator.history import Commit, History

LOGS_KEPT = 512
"""Walked logs kept in memory: a GraphQL batch requests at most 100 repositories, some of them page by page."""


def walk(commits: Mapping[str, Commit], start: str) -> list[Commit]:
    """Return every commit that ``start`` reaches through its parents, itself first.

    Parents that ``commits`` lacks are skipped.
    """
    waiting = [(0.0, 0, commits[start])]
    reached = {start}
    walked: list[Commit] = []
    while waiting:
        commit = heapq.heappop(waiting)[2]
        walked.append(commit)
        for oid in commit.parents:
            parent = commits.get(oid)
            if parent is not None and oid not in reached:
                reached.add(oid)
                # The number of commits reached so far decides ties: first reached, first listed.
                heapq.heappush(waiting, (-parent.committed_at.timestamp(), len(reached), parent))
    return walked


@lru_cache(maxsize=LOGS_KEPT)
def by_oid(history: History) -> Mapping[str, Commit]:
    """Return a history's commits by their oids."""
    return {commit.oid: commit for commit in history.commits()}


@lru_cache(maxsize=LOGS_KEPT)
def git_log(history: History, oid: str) -> Sequence[Commit]:
    """Return the commits that ``git log <oid>`` lists. The history must hold the commit."""
    return walk(by_oid(history), oid)


def first_parents(history: History) -> Iterator[Commit]:
    """Yield the tip, its first parent, that one's first parent, and so on: ``git log --first-parent``."""
    known, tip = by_oid(history), history.tip
    commit = None if tip is None else known[tip.oid]
    while commit is not None:
        yield commit
        commit = known.get(commit.parents[0]) if commit.parents else None


def holds(history: History, oid: str) -> bool:
    """Return True if a commit is reachable from the history's tip; the tip itself needs no walk."""
    tip = history.tip
    return tip is not None and (tip.oid == oid or oid in by_oid(history))


def total(history: History, oid: str) -> int:
    """Return the number of commits that ``git log <oid>`` lists; the tip's number needs no walk."""
    tip = history.tip
    return history.count if tip is not None and tip.oid == oid else len(git_log(history, oid))


def limited(
    log: Sequence[Commit], since: datetime | None, until: datetime | None, *, stops: bool = False
) -> Sequence[Commit]:
    """Return the commits of a log whose committer dates lie between ``since`` and ``until``, both included.

    With ``stops`` the list ends at the first commit older than ``since``, as that of ``git log --since`` does; without
    it, younger commits behind that one are listed as well (``--since-as-filter``).
    """
    if since is not None and stops:
        end = next((at for at, commit in enumerate(log) if commit.committed_at < since), len(log))
        log = log[:end]
    elif since is not None:
        log = [commit for commit in log if commit.committed_at >= since]
    return log if until is None else [commit for commit in log if commit.committed_at <= until]
