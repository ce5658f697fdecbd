"""Readers of heads and histories: the newest commits of many repositories, and further pages.

Source: GitHub's GraphQL reference, ``Commit.history``. The order is that of ``git log``; ``since`` selects by committer
date.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fetcher.domain.model import Commit
from fetcher.domain.outcome import Failure, Fetched, Malformed, Transient
from fetcher.http.messages import Answer
from fetcher.upstreams.batching import BatchAnswer
from fetcher.upstreams.github.queries import PAGE_SIZE
from fetcher.upstreams.github.readers.graphql import id_text, read_aliases, read_item, read_nodes
from fetcher.upstreams.github.readers.shapes import (
    GraphQLError,
    HeadNode,
    HistoryCommit,
    HistoryPage,
    PageNode,
)
from fetcher.upstreams.github.requests import PageRef

_BOT = "[bot]"
"""Suffix that GitHub reserves for names of Apps' accounts."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a history. ``selected`` is the number of commits since ``since``; ``after`` is the next page's
    cursor.
    """

    selected: int
    commits: tuple[Commit, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class Head:
    """A repository's default branch: its tip and the first page of its history. An empty repository has no tip."""

    node_id: str
    repository_id: str | None
    empty: bool
    pushed_at: datetime | None
    oid: str | None
    total: int
    """Commits of any age."""
    first_page: Page


NO_COMMITS = Page(0, (), None)


def read_heads(answer: Answer, node_ids: Sequence[str]) -> BatchAnswer[Head] | Failure:
    """Read the heads of repositories requested by node id, in the order of the ids."""
    return read_nodes(answer, node_ids, _read_head)


def read_pages(answer: Answer, count: int) -> BatchAnswer[Page] | Failure:
    """Read ``count`` further pages, aliased ``r0`` … as in ``requests.history_pages``."""
    return read_aliases(answer, count, _read_page)


def next_pages(head: Head) -> list[PageRef]:
    """Return references to all further pages of ``head``'s history if computable, otherwise to the next one.

    A cursor is the commit's id and the index of the last commit before the page. GitHub documents cursors as opaque.
    One of another form leads only to the next page, and the joined pages are checked for completeness.
    """
    page, oid = head.first_page, head.oid
    if page.after is None or oid is None:
        return []
    if page.after != f"{oid} {len(page.commits) - 1}":
        return [PageRef(head.node_id, oid, page.after)]
    places = range(len(page.commits) - 1, page.selected - 1, PAGE_SIZE)
    return [PageRef(head.node_id, oid, f"{oid} {place}") for place in places]


def _read_head(node: object, error: GraphQLError | None, name: str) -> Fetched[Head] | Failure:
    read = read_item(HeadNode, node, error, name)
    if not isinstance(read, HeadNode):
        return read
    tip = read.default_branch.target if read.default_branch else None
    if tip is None:
        if not read.empty:
            return Transient("its default branch names no commit at the moment")
        return Fetched(Head(read.id, id_text(read.database_id), True, read.pushed_at, None, 0, NO_COMMITS))
    if tip.history is None or tip.all is None:
        return Malformed("the tip of its default branch is no commit")
    total, page = tip.all.total_count, _page(tip.history)
    return Fetched(Head(read.id, id_text(read.database_id), read.empty, read.pushed_at, tip.oid, total, page))


def _read_page(node: object, error: GraphQLError | None, name: str) -> Fetched[Page] | Failure:
    read = read_item(PageNode, node, error, name)
    if not isinstance(read, PageNode):
        return read
    if read.object is None:
        return Transient("the commit whose history was being read is gone: a forced push")
    return Fetched(_page(read.object.history))


def _page(page: HistoryPage) -> Page:
    after = page.page_info.end_cursor if page.page_info.has_next else None
    return Page(page.total_count, tuple(_commit(node) for node in page.nodes if node is not None), after)


def _commit(node: HistoryCommit) -> Commit:
    day = node.authored_at.date() if node.authored_at else None
    return Commit(node.oid, _login(node), day, node.parents is not None and node.parents.total_count > 1)


def _login(node: HistoryCommit) -> str | None:
    """Return the author's login. An App's commit names its account even if no user is linked."""
    author = node.author
    if author is None:
        return None
    if author.user is not None:
        return author.user.login
    return author.name if author.name and author.name.endswith(_BOT) else None
