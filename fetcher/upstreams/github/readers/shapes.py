"""Pydantic shapes of the parts that are read of GitHub's responses. Another shape is ``Malformed``.

They are strict on types and ignore other fields. Sources: the REST reference and the published GraphQL schema.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from fetcher.domain.text import storable


def _in_utc(moment: datetime) -> datetime:
    """Convert to UTC. A time at the very end of the calendar has none, and authors choose their dates freely."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("expected a moment within the calendar") from None


def _or_none(value: Any, read: ValidatorFunctionWrapHandler) -> datetime | None:
    """Read a time, or ``None`` outside the calendar, so that one commit does not fail a complete history."""
    try:
        moment: datetime | None = read(value)
    except ValidationError:
        return None
    return moment


Text = Annotated[str, AfterValidator(storable)]
"""Text that a database can hold. GitHub has let NULs through in descriptions."""
Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
LenientMoment = Annotated[Moment | None, WrapValidator(_or_none)]
Count = Annotated[int, Field(ge=0, lt=2**31)]
"""A count within a database's plain integer, so that one absurd value does not fail its batch."""
Id = Annotated[int, Field(gt=0, lt=2**63)]


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Total(_Shape):
    total_count: Count = Field(alias="totalCount")


class Target(_Shape):
    oid: Text
    committed_date: Moment | None = Field(default=None, alias="committedDate")


class BranchRef(_Shape):
    name: Text
    target: Target | None


class Node(_Shape):
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


class User(_Shape):
    login: Text


class GitActor(_Shape):
    """A commit's author; ``user`` is absent if GitHub knows no account for the email address."""

    name: Text | None = None
    user: User | None = None


class HistoryCommit(_Shape):
    oid: Text
    authored_at: LenientMoment = Field(alias="authoredDate")
    author: GitActor | None = None
    parents: Total | None = None


class PageInfo(_Shape):
    has_next: bool = Field(alias="hasNextPage")
    end_cursor: Text | None = Field(alias="endCursor")


class HistoryPage(_Shape):
    """One page of a commit's history; ``total_count`` counts the commits that ``since`` selects."""

    total_count: Count = Field(alias="totalCount")
    page_info: PageInfo = Field(alias="pageInfo")
    nodes: list[HistoryCommit | None]


class HeadCommit(_Shape):
    """The tip of the default branch; ``history`` is absent if the tip is not a commit."""

    oid: Text
    all: Total | None = None
    history: HistoryPage | None = None


class HeadRef(_Shape):
    target: HeadCommit | None


class HeadNode(_Shape):
    """One repository in a response about heads."""

    id: Text
    database_id: Id | None = Field(alias="databaseId")
    empty: bool = Field(alias="isEmpty")
    pushed_at: Moment | None = Field(alias="pushedAt")
    default_branch: HeadRef | None = Field(alias="defaultBranchRef")


class PageCommit(_Shape):
    history: HistoryPage


class PageNode(_Shape):
    """One repository in a response about further pages; ``object`` is ``null`` if the commit no longer exists."""

    object: PageCommit | None


class GraphQLError(_Shape):
    """One entry of ``errors``. GitHub adds ``type``; ``path`` is absent if the complete query failed."""

    message: str = "no message"
    type: str | None = None
    path: list[str | int] | None = None


class Viewer(_Shape):
    login: Text
    database_id: Id | None = Field(alias="databaseId")


class GraphQLBody(_Shape):
    """A GraphQL response with unparsed ``data``, so that one bad node does not fail the others."""

    data: dict[str, object] | None = None
    errors: list[GraphQLError] = []


class RestRepository(_Shape):
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


class RestContributor(_Shape):
    """One entry of the contributors list; one without ``login`` is anonymous."""

    login: Text | None = None
    contributions: Count


class Participation(_Shape):
    all: list[Count]


class Signature(_Shape):
    date: Moment | None = None


class InnerCommit(_Shape):
    committer: Signature | None = None


class RestCommit(_Shape):
    sha: Text
    commit: InnerCommit

    @property
    def committed_at(self) -> datetime | None:
        return self.commit.committer.date if self.commit.committer else None


class ErrorBody(_Shape):
    message: str = ""
