"""Received commits, and the evidence that they are all that were requested. Pure.

A server ignores a ``have`` that it does not know and sends everything. One that is known but was abandoned by a forced
push makes it send fewer commits than are new. Both show in the parents of the received commits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from fetcher.domain.model import Commit
from fetcher.git.commits import GitCommit


@dataclass(frozen=True)
class History:
    """Commits that lead to ``head``, by oid; ``shallow`` are those whose parents were left out by age or depth."""

    head: str
    commits: Mapping[str, GitCommit]
    shallow: frozenset[str] = frozenset()

    @classmethod
    def of(cls, head: str, commits: Iterable[GitCommit], shallow: frozenset[str] = frozenset()) -> History:
        """Return the history of these commits."""
        return cls(head, {commit.oid: commit for commit in commits}, shallow)

    @cached_property
    def _cut(self) -> frozenset[str]:
        return frozenset(oid for oid in self.shallow if oid in self.commits)

    @cached_property
    def _absent_parents(self) -> frozenset[str]:
        """Parents that were not received, of commits that the server did not cut."""
        return frozenset(
            parent
            for oid, commit in self.commits.items()
            if oid not in self._cut
            for parent in commit.parents
            if parent not in self.commits
        )

    @property
    def is_whole(self) -> bool:
        """True if every commit that leads to the head is here."""
        return self.head in self.commits and not self._absent_parents and not self._cut

    @property
    def is_recent(self) -> bool:
        """True if only commits are missing that the server left out by age or depth."""
        return (self.head in self.commits or not self.commits) and not self._absent_parents

    @property
    def beyond_merges(self) -> frozenset[str]:
        """Parents that were left out with a merge, though they may be young enough.

        A server leaves out all parents of a merge if one of them is too old.
        """
        merges = (self.commits[oid] for oid in self._cut if len(self.commits[oid].parents) > 1)
        return frozenset(parent for merge in merges for parent in merge.parents if parent not in self.commits)

    def reachable(self) -> History:
        """Return the commits that lead to the head. A server may send others, which do not count."""
        found: dict[str, GitCommit] = {}
        waiting = [self.head]
        while waiting:
            oid = waiting.pop()
            commit = self.commits.get(oid)
            if commit is not None and oid not in found:
                found[oid] = commit
                waiting += commit.parents
        return self if len(found) == len(self.commits) else History(self.head, found, self.shallow)

    def with_more(self, other: History) -> History:
        """Return these commits and those of ``other``."""
        return History(self.head, {**self.commits, **other.commits}, self.shallow | other.shallow)

    def continues(self, old: str) -> bool:
        """Return whether these are exactly the commits since ``old``, which then leads to the head."""
        return self.head in self.commits and old in self._absent_parents and not self._cut

    @property
    def committed_at(self) -> datetime | None:
        """Committer date of the head; ``None`` if the head was not received."""
        head = self.commits.get(self.head)
        return None if head is None else head.committed_at

    def counted(self) -> Iterable[Commit]:
        """Yield the commits as they are counted by day. Logins are irrelevant to that."""
        for commit in self.commits.values():
            yield Commit(commit.oid, None, commit.authored_on, merge=len(commit.parents) > 1)
