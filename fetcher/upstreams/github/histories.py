"""Requests for the histories of heads in batches, and for further pages of long histories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from fetcher.domain.model import Commit, Purpose, Target
from fetcher.domain.outcome import Deferred, Failure, Fetched, Malformed
from fetcher.http.gateway import Gateway
from fetcher.upstreams.batching import BatchAnswer, BatchOutcome, BatchSize, request_in_batches
from fetcher.upstreams.github import requests
from fetcher.upstreams.github.change_detection import History
from fetcher.upstreams.github.queries import PAGE_SIZE
from fetcher.upstreams.github.readers.history import Head, Page, next_pages, read_heads, read_pages
from fetcher.upstreams.github.requests import PageRef

FIRST_SIZE = 10
"""Histories in a process's first query. They cost GitHub more work than statistics."""

HEADS_PER_QUERY, PAGES_PER_QUERY = 70, 140
"""Most heads and most pages in a query. A head is two connections, a page one, and GitHub rounds 140 to one point."""

MOST_PAGES = 100
"""Maximum pages of one history. Over 10,000 commits a year are counted by GitHub's own statistics instead."""


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """Parameters of a history request: the start of the commits, and whether merges must be recognised."""

    since: datetime
    parents: bool
    purpose: Purpose


@dataclass(slots=True)
class Histories:
    """A reader of histories within the quota. The sizes of its queries adapt to the response time."""

    gateway: Gateway
    api: requests.Api
    head_batch: BatchSize = field(default_factory=lambda: BatchSize(FIRST_SIZE, HEADS_PER_QUERY))
    page_batch: BatchSize = field(default_factory=lambda: BatchSize(FIRST_SIZE, PAGES_PER_QUERY))

    async def heads(self, targets: Sequence[Target], query: HistoryQuery) -> dict[int, BatchOutcome[Head]]:
        """Request the head of each target's default branch and its newest commits; returns outcomes by package id."""

        async def send(batch: Sequence[Target]) -> BatchAnswer[Head] | Failure | Deferred:
            ids = [target.handle or "" for target in batch]
            request = requests.heads(self.api, ids, query.since, parents=query.parents)
            return await self.gateway.send(request, query.purpose, lambda answer: read_heads(answer, ids))

        outcomes = await request_in_batches(targets, send, self.head_batch)
        return {target.package_id: outcome for target, outcome in zip(targets, outcomes, strict=True)}

    async def complete(self, heads: Mapping[int, Head], query: HistoryQuery) -> dict[int, BatchOutcome[History]]:
        """Request all further pages of ``heads``; each history is returned in full or as a failure.

        Pages with computable cursors are requested together for all repositories. If their result is incomplete, or a
        cursor cannot be computed, each page leads to the next.
        """
        done: dict[int, BatchOutcome[History]] = {}
        open_: dict[int, _Reading] = {}
        for key, head in heads.items():
            reading = _Reading(head, list(head.first_page.commits), next_pages(head))
            if reading.wanted:
                open_[key] = reading
            else:
                done[key] = reading.outcome()
        while open_:
            wanted = [(key, page) for key, reading in open_.items() for page in reading.wanted]
            outcomes = await self._pages([page for _, page in wanted], query)
            answered: dict[int, list[BatchOutcome[Page]]] = {key: [] for key in open_}
            for (key, _), outcome in zip(wanted, outcomes, strict=True):
                answered[key].append(outcome)
            for key, pages in answered.items():
                ended = open_[key].take(pages)
                if ended is not None:
                    done[key] = ended
                    del open_[key]
        return done

    async def _pages(self, pages: Sequence[PageRef], query: HistoryQuery) -> list[BatchOutcome[Page]]:
        async def send(batch: Sequence[PageRef]) -> BatchAnswer[Page] | Failure | Deferred:
            request = requests.history_pages(self.api, batch, query.since, parents=query.parents)
            return await self.gateway.send(
                request, query.purpose, lambda answer: read_pages(answer, len(batch)), continuation=True
            )

        return await request_in_batches(pages, send, self.page_batch)


def is_readable(head: Head) -> bool:
    """Return whether a head has commits, and not too many to read page by page."""
    return head.oid is not None and head.first_page.selected <= MOST_PAGES * PAGE_SIZE


def history_of(head: Head) -> History:
    """Return ``head`` with its first page only: the newest commits."""
    return History(head.oid or "", head.total, head.first_page.commits, head.pushed_at)


@dataclass(slots=True)
class _Reading:
    """One history while its pages are read."""

    head: Head
    commits: list[Commit]
    wanted: list[PageRef]

    def take(self, pages: Sequence[BatchOutcome[Page]]) -> BatchOutcome[History] | None:
        """Add the pages of one round; returns the history's outcome when it is final."""
        together = len(self.wanted) > 1
        for page in pages:
            if not isinstance(page, Fetched):
                return page
            self.commits += page.value.commits
        last, first = pages[-1], self.head.first_page
        after = last.value.after if isinstance(last, Fetched) and last.value.commits else None
        if together and not self._is_complete():
            self.commits, after = list(first.commits), first.after
        if after is None or len(self.commits) >= first.selected:
            return self.outcome()
        self.wanted = [PageRef(self.head.node_id, self.head.oid or "", after)]
        return None

    def outcome(self) -> Fetched[History] | Failure:
        """Return the history if it has every commit exactly once, otherwise a failure."""
        if not self._is_complete():
            selected = self.head.first_page.selected
            return Malformed(f"history: {len(self.commits)} commits came back where {selected} were announced")
        return Fetched(History(self.head.oid or "", self.head.total, tuple(self.commits), self.head.pushed_at))

    def _is_complete(self) -> bool:
        return len({commit.oid for commit in self.commits}) == len(self.commits) == self.head.first_page.selected
