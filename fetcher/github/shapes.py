"""The parts of GitHub's answers that are read, as pydantic shapes: an answer of another shape is ``Malformed``.

Strict on types, blind to fields that are not read. Sources: the REST reference and the published GraphQL schema.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field


def _without_nul(text: object) -> object:
    """PostgreSQL stores no NUL in a text; GitHub has let some through in descriptions."""
    return text.replace("\x00", "") if isinstance(text, str) else text


def _in_utc(moment: datetime) -> datetime:
    """A moment at the very end of the calendar has no UTC; authors date their commits as they like."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("expected a moment within the calendar") from None


Text = Annotated[str, BeforeValidator(_without_nul)]
Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
Count = Annotated[int, Field(ge=0, lt=2**31)]
"""As large as a database's plain integer: one absurd figure must not cost its neighbours' batch."""
Id = Annotated[int, Field(gt=0, lt=2**63)]
UnixTime = Annotated[int, Field(ge=0, lt=2**32)]


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
    """One repository in a GraphQL answer."""

    id: Text
    database_id: Id = Field(alias="databaseId")
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


class GraphQLError(_Shape):
    """One entry of ``errors``. GitHub adds ``type``; ``path`` is absent where the whole query failed."""

    message: str = "no message"
    type: str | None = None
    path: list[str | int] | None = None


class Viewer(_Shape):
    login: Text
    database_id: Id | None = Field(alias="databaseId")


class GraphQLBody(_Shape):
    """A GraphQL answer, its ``data`` left for a closer look: one bad node must not spoil the others."""

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
    """One entry of the contributors' list; one without ``login`` is anonymous."""

    login: Text | None = None
    contributions: Count


class ActivityWeek(_Shape):
    week: UnixTime
    days: Annotated[list[Count], Field(min_length=7, max_length=7)]


class Participation(_Shape):
    all: list[Count]


class Signature(_Shape):
    date: Moment | None = None


class InnerCommit(_Shape):
    author: Signature | None = None
    committer: Signature | None = None


class Account(_Shape):
    login: Text | None = None


class Parent(_Shape):
    sha: str


class RestCommit(_Shape):
    sha: Text
    commit: InnerCommit
    author: Account | None = None
    parents: list[Parent] = []

    @property
    def authored_at(self) -> datetime | None:
        return self.commit.author.date if self.commit.author else None

    @property
    def committed_at(self) -> datetime | None:
        return self.commit.committer.date if self.commit.committer else None


class Comparison(_Shape):
    status: str
    total_commits: Count
    commits: list[RestCommit]


class ErrorBody(_Shape):
    message: str = ""
