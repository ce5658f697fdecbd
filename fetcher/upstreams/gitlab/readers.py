"""Readers of GitLab's responses. They return one outcome for each project requested."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pydantic import TypeAdapter, ValidationError

from fetcher.domain.outcome import (
    Failure,
    Fetched,
    Gone,
    Malformed,
    Outcome,
    Overloaded,
    Transient,
)
from fetcher.http.messages import Answer, Response
from fetcher.http.responses import excerpt
from fetcher.http.shapes import first_fault, parse
from fetcher.upstreams.batching import BatchAnswer
from fetcher.upstreams.gitlab.classify import classify
from fetcher.upstreams.gitlab.queries import LACKED
from fetcher.upstreams.gitlab.requests import GLOBAL_ID
from fetcher.upstreams.gitlab.shapes import GraphQLBody, GraphQLError, Project, ProjectCommits, RestProject
from fetcher.upstreams.graphql import query_outcome, words
from fetcher.upstreams.hosted.base import ForgeFacts

ABSENT = Gone("no public project has this number or path")

_BODY = TypeAdapter(GraphQLBody)
_REST = TypeAdapter(RestProject)
_SIZE_SIGNS = ("complexity", "depth", "query too large", "timeout", "timed out")
_UNKNOWN_FIELD = re.compile(r"Field '(\w+)' doesn't exist")


@dataclass(frozen=True, slots=True)
class Lacking:
    """A field that the server does not have; the query is sent again without it."""

    field: str


Key: TypeAlias = Callable[[Mapping[str, object]], str]
"""The text by which a node of a response is found among those requested."""
FactsBatch: TypeAlias = BatchAnswer[ForgeFacts] | Lacking | Failure


def read_by_id(answer: Answer, host: str, ids: Sequence[str]) -> FactsBatch:
    """Read the projects requested by number. One that is absent from the response is ``Gone``."""
    return _read_projects(answer, host, ids, lambda node: _number(str(node.get("id"))))


def read_by_path(answer: Answer, host: str, paths: Sequence[str]) -> FactsBatch:
    """Read the projects requested by path, ignoring case. One under a former path is absent as well."""
    return _read_projects(
        answer, host, [path.lower() for path in paths], lambda node: str(node.get("fullPath")).lower()
    )


def read_project(answer: Answer, host: str) -> Outcome[ForgeFacts]:
    """Read one project over REST, without its head."""
    response = classify(answer, host)
    if not isinstance(response, Response):
        return response
    project = parse(_REST, response.body, "project")
    if isinstance(project, Malformed):
        return project
    facts = ForgeFacts(
        repository_id=str(project.id),
        full_name=project.full_path,
        stars=project.stars,
        forks=project.forks,
        watchers=None,
        description=project.description,
        archived=project.archived,
        disabled=project.marked_for_deletion_on is not None,
        empty=project.empty,
        default_branch=project.default_branch,
        head_oid=None,
        head_committed_at=None,
        pushed_at=None,
    )
    return Fetched(facts)


def read_accounts(answer: Answer, host: str) -> Outcome[Mapping[str, str]] | Lacking:
    """Read logins by oid. A server that does not show the project names none."""
    body = _read_body(answer, host)
    if not isinstance(body, GraphQLBody):
        return body
    try:
        projects = [ProjectCommits.model_validate(node) for node in _nodes(body) if node is not None]
    except ValidationError as fault:
        return Malformed(f"commits: {first_fault(fault)}")
    lists = [one.repository.commits for one in projects if one.repository is not None]
    commits = [commit for one in lists if one is not None for commit in one.nodes or ()]
    return Fetched({one.sha: one.author.username for one in commits if one is not None and one.author is not None})


def _read_projects(answer: Answer, host: str, wanted: Sequence[str], key: Key) -> FactsBatch:
    body = _read_body(answer, host)
    if not isinstance(body, GraphQLBody):
        return body
    failed = {place: error for error in body.errors if (place := _place(error)) is not None}
    found: dict[str, Fetched[ForgeFacts] | Failure] = {}
    for place, node in enumerate(_nodes(body)):
        if isinstance(node, dict):
            found[key(node)] = _read_node(node, failed.get(place))
    absent = _reason([error for error in body.errors if _place(error) is None])
    return BatchAnswer(tuple(found.get(one, absent) for one in wanted), answer.seconds)


def _read_node(node: Mapping[str, object], error: GraphQLError | None) -> Fetched[ForgeFacts] | Failure:
    """Read one project. With an error at any depth it is incomplete, because the null in its place has no meaning."""
    if error is not None:
        return _reason([error])
    try:
        project = Project.model_validate(node)
    except ValidationError as fault:
        return Malformed(f"project {excerpt(str(node.get('fullPath')).encode())}: {first_fault(fault)}")
    return Fetched(_facts(project))


def _facts(project: Project) -> ForgeFacts:
    repository = project.repository
    head = repository.head if repository is not None else None
    return ForgeFacts(
        repository_id=_number(project.id),
        full_name=project.full_path,
        stars=project.stars,
        forks=project.forks,
        watchers=None,
        description=project.description,
        archived=bool(project.archived),
        disabled=bool(project.marked_for_deletion),
        empty=repository.empty if repository is not None else None,
        default_branch=repository.root_ref if repository is not None else None,
        head_oid=head.sha if head is not None else None,
        head_committed_at=head.committed_date if head is not None else None,
        pushed_at=None,
    )


def _read_body(answer: Answer, host: str) -> GraphQLBody | Lacking | Failure:
    """Return the response's body with its data, or the failure of the complete query."""
    response = query_outcome(answer, classify(answer, host), host)
    if not isinstance(response, Response):
        return response
    body = parse(_BODY, response.body, "GraphQL response")
    if isinstance(body, Malformed) or (body.data is not None and body.data.projects is not None):
        return body
    lacking = next((name for error in body.errors if (name := _unknown_field(error)) in LACKED), None)
    if lacking is not None:
        return Lacking(lacking)
    if not body.errors:
        return Malformed("GitLab's GraphQL sent neither data nor an error")
    reason = words(body.errors[0].message)
    return Overloaded(reason) if _is_size(body.errors[0]) else Malformed(f"{host} refuses the query: {reason}")


def _nodes(body: GraphQLBody) -> Sequence[object]:
    projects = body.data.projects if body.data is not None else None
    return (projects.nodes or ()) if projects is not None else ()


def _reason(errors: Sequence[GraphQLError]) -> Failure:
    """Return the failure of a project that did not come back complete: without an error it is absent."""
    if not errors:
        return ABSENT
    reason = words(errors[0].message)
    return Overloaded(reason) if _is_size(errors[0]) else Transient(f"GraphQL reports an error: {reason}")


def _place(error: GraphQLError) -> int | None:
    """Return the place of the project that an error's path leads into: ``projects``, ``nodes``, its place."""
    place = error.path[2] if error.path is not None and len(error.path) > 2 else None
    return place if isinstance(place, int) else None


def _unknown_field(error: GraphQLError) -> str:
    given = (error.extensions or {}).get("fieldName")
    if isinstance(given, str):
        return given
    named = _UNKNOWN_FIELD.search(error.message)
    return named[1] if named else ""


def _is_size(error: GraphQLError) -> bool:
    return any(sign in error.message.lower() for sign in _SIZE_SIGNS)


def _number(global_id: str) -> str:
    """Return the number in a project's global id, which is unique on its instance."""
    return global_id.removeprefix(GLOBAL_ID)
