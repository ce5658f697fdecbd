"""Pydantic shapes of the parts that are read of GitHub's responses. Another shape is ``Malformed``.

They are strict on types and ignore other fields. Sources: the REST reference and the published GraphQL schema.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from fetcher.http.shapes import Count, Id, LenientMoment, Moment, Shape, Text


class Total(Shape):
    total_count: Count = Field(alias="totalCount")


class Target(Shape):
    oid: Text
    committed_date: Moment | None = Field(default=None, alias="committedDate")


class BranchRef(Shape):
    name: Text
    target: Target | None


class Node(Shape):
    """One repository in a GraphQL response."""

    id: Text
    database_id: Id | None = Field(alias="databaseId")
    name_with_owner: Text = Field(alias="nameWithOwner")
    stars: Count = Field(alias="stargazerCount")
    forks: Count = Field(alias="forkCount")
    watchers: Total
    description: Text | None
    archived: bool = Field(alias="isArchived")
    disabled: bool = Field(alias="isDisabled")
    empty: bool = Field(alias="isEmpty")
    pushed_at: Moment | None = Field(alias="pushedAt")
    default_branch: BranchRef | None = Field(alias="defaultBranchRef")


class User(Shape):
    login: Text


class GitActor(Shape):
    """A commit's author; ``user`` is absent if GitHub knows no account for the email address."""

    name: Text | None = None
    user: User | None = None


class HistoryCommit(Shape):
    oid: Text
    authored_at: LenientMoment = Field(alias="authoredDate")
    author: GitActor | None = None
    parents: Total | None = None


class PageInfo(Shape):
    has_next: bool = Field(alias="hasNextPage")
    end_cursor: Text | None = Field(alias="endCursor")


class HistoryPage(Shape):
    """One page of a commit's history; ``total_count`` counts the commits that ``since`` selects."""

    total_count: Count = Field(alias="totalCount")
    page_info: PageInfo = Field(alias="pageInfo")
    nodes: list[HistoryCommit | None]


class HeadCommit(Shape):
    """The tip of the default branch; ``history`` is absent if the tip is not a commit."""

    oid: Text
    all: Total | None = None
    history: HistoryPage | None = None


class HeadRef(Shape):
    target: HeadCommit | None


class HeadNode(Shape):
    """One repository in a response about heads."""

    id: Text
    database_id: Id | None = Field(alias="databaseId")
    empty: bool = Field(alias="isEmpty")
    pushed_at: Moment | None = Field(alias="pushedAt")
    default_branch: HeadRef | None = Field(alias="defaultBranchRef")


class PageCommit(Shape):
    history: HistoryPage


class PageNode(Shape):
    """One repository in a response about further pages; ``object`` is ``null`` if the commit no longer exists."""

    object: PageCommit | None


class GraphQLError(Shape):
    """One entry of ``errors``. GitHub adds ``type``; ``path`` is absent if the complete query failed."""

    message: str = "no message"
    type: str | None = None
    path: list[str | int] | None = None


class Viewer(Shape):
    login: Text
    database_id: Id | None = Field(alias="databaseId")


class GraphQLBody(Shape):
    """A GraphQL response with unparsed ``data``, so that one bad node does not fail the others."""

    data: dict[str, object] | None = None
    errors: list[GraphQLError] = Field(default_factory=list)


class RestRepository(Shape):
    id: Id
    node_id: Text
    full_name: Text
    stars: Count = Field(alias="stargazers_count")
    forks: Count = Field(alias="forks_count")
    watchers: Count | None = Field(default=None, alias="subscribers_count")
    description: Text | None
    archived: bool = False
    disabled: bool = False
    default_branch: Text | None = None
    pushed_at: Moment | None = None


class RestContributor(Shape):
    """One entry of the contributors list; one without ``login`` is anonymous."""

    login: Text | None = None
    contributions: Count


class Participation(Shape):
    all: list[Count]


class Signature(Shape):
    date: Moment | None = None


class InnerCommit(Shape):
    committer: Signature | None = None


class RestCommit(Shape):
    sha: Text
    commit: InnerCommit

    @property
    def committed_at(self) -> datetime | None:
        return self.commit.committer.date if self.commit.committer else None


class ErrorBody(Shape):
    message: str = ""
