"""Read statistics: of many repositories from one GraphQL answer, or of one over REST.

One missing repository is a ``null`` and an error with its path, never a failure of the batch. Answers cut short
without any error have been seen, so each repository that was asked for must come back or is asked again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from fetcher.github.classify import (
    NotAValue,
    classify,
    excerpt,
    first_fault,
    is_secondary,
    parse,
    signed,
    stated_failure,
    throttled,
    validators_of,
)
from fetcher.github.shapes import (
    GraphQLBody,
    GraphQLError,
    Node,
    RestCommit,
    RestRepository,
    Viewer,
)
from fetcher.model import RepoStats
from fetcher.outcome import (
    BlockCause,
    Blocked,
    Failure,
    Fetched,
    Gone,
    Malformed,
    Moved,
    NotModified,
    NotReady,
    Overloaded,
    Transient,
    Unauthorized,
)
from fetcher.wire import Answer, Fault, NoAnswer, Response

StatisticsOutcome = Fetched[RepoStats] | Failure

_BODY = TypeAdapter(GraphQLBody)
_REPOSITORY = TypeAdapter(RestRepository)
_COMMITS = TypeAdapter(list[RestCommit])
_RATE_TYPES = ("RATE_LIMITED", "RATE_LIMIT")
_SIZE_TYPES = ("RESOURCE_LIMITS_EXCEEDED", "RESOURCE_LIMITS", "MAX_NODE_LIMIT_EXCEEDED", "TIMEOUT")
_SIZE_SIGNS = ("timeout", "timed out", "something went wrong while executing", "resource limit")


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """One outcome for each repository asked, in the order of asking, and how long it took to tell them."""

    outcomes: tuple[StatisticsOutcome, ...]
    seconds: float


def read_by_id(answer: Answer, node_ids: Sequence[str]) -> BatchAnswer | Failure:
    """Statistics by node id."""
    body = _read_body(answer)
    if not isinstance(body, GraphQLBody):
        return body
    nodes = (body.data or {}).get("nodes")
    if not isinstance(nodes, list):
        return _whole_failure(body.errors) or Malformed("GraphQL answer without nodes")
    errors = _errors_by_key(body.errors, depth=1)
    outcomes = []
    for index, node_id in enumerate(node_ids):
        node = nodes[index] if index < len(nodes) else None
        outcome = _read_node(node, errors.get(index), node_id)
        if isinstance(outcome, Fetched) and outcome.value.node_id != node_id:
            outcome = Overloaded("the answer does not hold what was asked for at its place")
        outcomes.append(outcome)
    return BatchAnswer(tuple(signed(outcome, answer) for outcome in outcomes), answer.seconds)


def read_by_name(answer: Answer, count: int) -> BatchAnswer | Failure:
    """Statistics by owner and name, aliased ``r0`` … as ``requests.statistics_by_name`` asks."""
    body = _read_body(answer)
    if not isinstance(body, GraphQLBody):
        return body
    errors = _errors_by_key(body.errors, depth=0)
    outcomes = [_read_node((body.data or {}).get(f"r{i}"), errors.get(f"r{i}"), f"r{i}") for i in range(count)]
    return BatchAnswer(tuple(signed(outcome, answer) for outcome in outcomes), answer.seconds)


def read_viewer(answer: Answer) -> Fetched[Viewer] | Failure:
    """The account behind the credential."""
    body = _read_body(answer)
    if not isinstance(body, GraphQLBody):
        return body
    try:
        return Fetched(Viewer.model_validate((body.data or {}).get("viewer")))
    except ValidationError as error:
        return Malformed(f"viewer: {first_fault(error)}")


def read_repository(answer: Answer) -> Fetched[RepoStats] | NotAValue:
    """One repository over REST, its head not yet known."""
    response = classify(answer)
    if not isinstance(response, Response):
        return response
    repo = parse(_REPOSITORY, response.body, "repository")
    if isinstance(repo, Malformed):
        return repo
    stats = RepoStats(
        node_id=repo.node_id,
        database_id=repo.id,
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


def read_newest_commit(answer: Answer) -> Fetched[RestCommit | None] | NotAValue:
    """The head of the default branch; ``None`` for an empty repository (GitHub answers 409)."""
    if isinstance(answer, Response) and answer.status == 409:
        return Fetched(None)
    response = classify(answer)
    if not isinstance(response, Response):
        return response
    commits = parse(_COMMITS, response.body, "commits")
    if isinstance(commits, Malformed):
        return commits
    return Fetched(commits[0] if commits else None)


def _read_body(answer: Answer) -> GraphQLBody | Failure:
    """The answer's body with data in it, or why the whole query failed."""
    if isinstance(answer, NoAnswer) and answer.fault is Fault.TIMED_OUT:
        return Overloaded(answer.reason)
    response = classify(answer)
    match response:
        case Response():
            pass
        case Transient() if isinstance(answer, Response) and answer.status in (502, 504):
            return Overloaded(response.reason)
        case NotModified() | NotReady() | Moved():
            return Malformed("GraphQL answered with a redirect or without a body")
        case Gone():
            return Malformed(f"no GraphQL at this address: {response.reason}")
        case Blocked():
            return Unauthorized(response.reason)
        case _:
            return response
    body = parse(_BODY, response.body, "GraphQL answer")
    if isinstance(body, Malformed):
        return body
    limited = next((e for e in body.errors if e.type in _RATE_TYPES or "rate limit" in e.message.lower()), None)
    if limited is not None:
        primary = limited.type in _RATE_TYPES and not is_secondary(limited.message)
        return throttled(response, _words(limited), primary=primary)
    if not body.data:
        failure = _whole_failure(body.errors) or stated_failure(response)
        return failure or Malformed("GraphQL answer without data and without an error")
    return body


def _whole_failure(errors: Sequence[GraphQLError]) -> Failure | None:
    """What errors without any data mean."""
    if not errors:
        return None
    error = errors[0]
    if _is_size(error):
        return Overloaded(_words(error))
    return Malformed(f"GraphQL refuses the query: {_words(error)}")


def _words(error: GraphQLError) -> str:
    """GitHub's own words, cut to a line."""
    return excerpt(error.message.encode(), 200)


def _is_size(error: GraphQLError) -> bool:
    return error.type in _SIZE_TYPES or any(sign in error.message.lower() for sign in _SIZE_SIGNS)


def _errors_by_key(errors: Sequence[GraphQLError], depth: int) -> dict[str | int, GraphQLError]:
    """Errors by the part of their path that tells the repository."""
    return {error.path[depth]: error for error in reversed(errors) if error.path and len(error.path) > depth}


def _read_node(node: object, error: GraphQLError | None, name: str) -> StatisticsOutcome:
    """A node with an error anywhere within is not complete: the ``null`` in its place says nothing."""
    if node is None or error is not None:
        return _read_error(error)
    try:
        return Fetched(_stats(Node.model_validate(node)))
    except ValidationError as fault:
        return Malformed(f"repository {name}: {first_fault(fault)}")


def _read_error(error: GraphQLError | None) -> Failure:
    if error is None:
        return Overloaded("it did not come back and no error says why")
    message = _words(error)
    if error.type == "NOT_FOUND":
        return Gone(message)
    if error.type in ("FORBIDDEN", "INSUFFICIENT_SCOPES", "SAML_FAILURE"):
        return Blocked(BlockCause.ACCESS, message)
    if error.type in ("DMCA", "UNAVAILABLE_FOR_LEGAL_REASONS") or "dmca" in message.lower():
        return Blocked(BlockCause.LEGAL, message)
    return Overloaded(message) if _is_size(error) else Transient(message)


def _stats(node: Node) -> RepoStats:
    branch = node.default_branch
    target = branch.target if branch else None
    return RepoStats(
        node_id=node.id,
        database_id=node.database_id,
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
