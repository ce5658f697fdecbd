"""Pydantic shapes of the parts that are read of GitLab's responses. Another shape is ``Malformed``."""

from __future__ import annotations

from pydantic import Field

from fetcher.http.shapes import Count, Id, LenientMoment, RepositoryPath, Shape, Text


class Head(Shape):
    sha: Text
    committed_date: LenientMoment = Field(default=None, alias="committedDate")


class Tree(Shape):
    last_commit: Head | None = Field(default=None, alias="lastCommit")


class Repository(Shape):
    """The git repository of a project. Its fields are null while the project has no repository."""

    root_ref: Text | None = Field(default=None, alias="rootRef")
    empty: bool | None = None
    last_commit: Head | None = Field(default=None, alias="lastCommit")
    tree: Tree | None = None

    @property
    def head(self) -> Head | None:
        return self.last_commit or (self.tree.last_commit if self.tree else None)


class Project(Shape):
    """One project in a GraphQL response. ``repository`` is null if the visitor may not read it."""

    id: Text
    full_path: RepositoryPath = Field(alias="fullPath")
    description: Text | None = None
    archived: bool | None = None
    stars: Count = Field(alias="starCount")
    forks: Count = Field(alias="forksCount")
    marked_for_deletion: bool | None = Field(default=None, alias="markedForDeletion")
    repository: Repository | None = None


class User(Shape):
    username: Text


class Commit(Shape):
    """One commit with its author's account, which GitLab finds by the email address."""

    sha: Text
    author: User | None = None


class Commits(Shape):
    nodes: list[Commit | None] | None = None


class CommitList(Shape):
    commits: Commits | None = None


class ProjectCommits(Shape):
    repository: CommitList | None = None


class GraphQLError(Shape):
    """One entry of ``errors``. A field that the server does not have is named in ``extensions``."""

    message: str = "no message"
    extensions: dict[str, object] | None = None
    path: list[str | int] | None = None


class Nodes(Shape):
    """A connection with unparsed nodes, so that one bad node does not fail the others."""

    nodes: list[object] | None = None


class Data(Shape):
    projects: Nodes | None = None


class GraphQLBody(Shape):
    data: Data | None = None
    errors: list[GraphQLError] = Field(default_factory=list)


class RestProject(Shape):
    """One project over REST. Its head is not in it."""

    id: Id
    full_path: RepositoryPath = Field(alias="path_with_namespace")
    description: Text | None = None
    archived: bool = False
    stars: Count = Field(alias="star_count")
    forks: Count | None = Field(default=None, alias="forks_count")
    default_branch: Text | None = None
    empty: bool | None = Field(default=None, alias="empty_repo")
    marked_for_deletion_on: str | None = None
