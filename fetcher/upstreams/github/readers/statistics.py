"""Readers of statistics: many repositories from one GraphQL response, or one over REST."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import TypeAdapter, ValidationError

from fetcher.domain.model import RepoStats
from fetcher.domain.outcome import Failure, Fetched, Malformed, NonValue
from fetcher.http.messages import Answer, Response
from fetcher.http.responses import validators_of
from fetcher.http.shapes import first_fault, parse
from fetcher.upstreams.batching import BatchAnswer
from fetcher.upstreams.github.readers.classify import classify
from fetcher.upstreams.github.readers.graphql import (
    id_text,
    read_aliases,
    read_body,
    read_item,
    read_nodes,
)
from fetcher.upstreams.github.readers.shapes import GraphQLBody, GraphQLError, Node, RestCommit, RestRepository, Viewer

_REPOSITORY = TypeAdapter(RestRepository)
_COMMITS = TypeAdapter(list[RestCommit])


def read_by_id(answer: Answer, node_ids: Sequence[str]) -> BatchAnswer[RepoStats] | Failure:
    """Read statistics requested by node id, in the order of the ids.

    A node's id is opaque and may be returned in another form than requested. The caller decides by ``repository_id``
    whether it is the known repository.
    """
    return read_nodes(answer, node_ids, _read_node)


def read_by_name(answer: Answer, count: int) -> BatchAnswer[RepoStats] | Failure:
    """Read statistics by owner and name, aliased ``r0`` … as in ``requests.statistics_by_name``."""
    return read_aliases(answer, count, _read_node)


def read_viewer(answer: Answer) -> Fetched[Viewer] | Failure:
    """Read the account behind the credential."""
    body = read_body(answer)
    if not isinstance(body, GraphQLBody):
        return body
    try:
        return Fetched(Viewer.model_validate((body.data or {}).get("viewer")))
    except ValidationError as error:
        return Malformed(f"viewer: {first_fault(error)}")


def read_repository(answer: Answer) -> Fetched[RepoStats] | NonValue:
    """Read one repository over REST. Its head is not part of the response."""
    response = classify(answer)
    if not isinstance(response, Response):
        return response
    repo = parse(_REPOSITORY, response.body, "repository")
    if isinstance(repo, Malformed):
        return repo
    stats = RepoStats(
        handle=repo.node_id,
        repository_id=str(repo.id),
        full_name=repo.full_name,
        stars=repo.stars,
        forks=repo.forks,
        watchers=repo.watchers,
        description=repo.description or "",
        archived=repo.archived,
        disabled=repo.disabled,
        empty=False,
        default_branch=repo.default_branch,
        head_oid=None,
        head_committed_at=None,
        pushed_at=repo.pushed_at,
    )
    return Fetched(stats, validators_of(response))


def read_newest_commit(answer: Answer) -> Fetched[RestCommit | None] | NonValue:
    """Read the head of the default branch; ``None`` for an empty repository (status 409)."""
    if isinstance(answer, Response) and answer.status == 409:
        return Fetched(None)
    response = classify(answer)
    if not isinstance(response, Response):
        return response
    commits = parse(_COMMITS, response.body, "commits")
    if isinstance(commits, Malformed):
        return commits
    return Fetched(commits[0] if commits else None)


def _read_node(node: object, error: GraphQLError | None, name: str) -> Fetched[RepoStats] | Failure:
    read = read_item(Node, node, error, name)
    return Fetched(_stats(read)) if isinstance(read, Node) else read


def _stats(node: Node) -> RepoStats:
    branch = node.default_branch
    target = branch.target if branch else None
    return RepoStats(
        handle=node.id,
        repository_id=id_text(node.database_id),
        full_name=node.name_with_owner,
        stars=node.stars,
        forks=node.forks,
        watchers=node.watchers.total_count,
        description=node.description or "",
        archived=node.archived,
        disabled=node.disabled,
        empty=node.empty,
        default_branch=branch.name if branch else None,
        head_oid=target.oid if target else None,
        head_committed_at=target.committed_date if target else None,
        pushed_at=node.pushed_at,
    )
