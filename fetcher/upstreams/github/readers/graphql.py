"""Readers of the GraphQL envelope: data, errors and the meaning of an error.

A missing repository is a ``null`` and an error with its path, never a failure of the batch. Truncated responses without
an error do occur. Every repository missing from a response is therefore requested again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from fetcher.domain.outcome import (
    BlockCause,
    Blocked,
    Failure,
    Fetched,
    Gone,
    Malformed,
    Overloaded,
    Transient,
    with_request_id,
)
from fetcher.http.messages import Answer, Response
from fetcher.http.shapes import first_fault, parse
from fetcher.upstreams.batching import BatchAnswer
from fetcher.upstreams.github.readers.classify import (
    classify,
    is_secondary,
    read_meta,
    stated_failure,
    throttled,
)
from fetcher.upstreams.github.readers.shapes import GraphQLBody, GraphQLError
from fetcher.upstreams.graphql import query_outcome, words

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
S = TypeVar("S", bound=BaseModel)

_BODY = TypeAdapter(GraphQLBody)
_RATE_TYPES = ("RATE_LIMITED", "RATE_LIMIT")
_SIZE_TYPES = ("RESOURCE_LIMITS_EXCEEDED", "RESOURCE_LIMITS", "MAX_NODE_LIMIT_EXCEEDED", "TIMEOUT")
_SIZE_SIGNS = ("timeout", "timed out", "something went wrong while executing", "resource limit")


ItemReader: TypeAlias = Callable[[object, GraphQLError | None, str], Fetched[T] | Failure]
"""A reader of one repository's part of a response: its node, its error, and its name for reasons."""


def id_text(number: int | None) -> str | None:
    """Return GitHub's number of a repository as the opaque id; ``None`` where it does not fit GraphQL's 32 bits."""
    return None if number is None else str(number)


def read_nodes(answer: Answer, node_ids: Sequence[str], read: ItemReader[T]) -> BatchAnswer[T] | Failure:
    """Read the repositories requested by node id; ``read`` gets each node, its error and its id."""
    body = read_body(answer)
    if not isinstance(body, GraphQLBody):
        return body
    nodes = (body.data or {}).get("nodes")
    if not isinstance(nodes, list):
        return _query_failure(body.errors) or Malformed("GraphQL answer without nodes")
    errors, own = _errors_by_key(body.errors, depth=1), _nodes_of(nodes, node_ids)
    return _batch_answer([read(own[i], errors.get(i), node_id) for i, node_id in enumerate(node_ids)], answer)


def read_aliases(answer: Answer, count: int, read: ItemReader[T]) -> BatchAnswer[T] | Failure:
    """Read ``count`` items aliased ``r0`` …; ``read`` gets each item, its error and its alias."""
    body = read_body(answer)
    if not isinstance(body, GraphQLBody):
        return body
    data, errors = body.data or {}, _errors_by_key(body.errors, depth=0)
    aliases = [f"r{number}" for number in range(count)]
    return _batch_answer([read(data.get(alias), errors.get(alias), alias) for alias in aliases], answer)


def _batch_answer(outcomes: Sequence[Fetched[T] | Failure], answer: Answer) -> BatchAnswer[T]:
    """Return ``outcomes`` as one batch; failures carry GitHub's request id."""
    request_id = read_meta(answer).request_id if isinstance(answer, Response) else None
    return BatchAnswer(tuple(with_request_id(outcome, request_id) for outcome in outcomes), answer.seconds)


def read_body(answer: Answer) -> GraphQLBody | Failure:
    """Return the response's body with its data, or the failure of the complete query."""
    response = query_outcome(answer, classify(answer), "GitHub")
    if not isinstance(response, Response):
        return response
    body = parse(_BODY, response.body, "GraphQL answer")
    if isinstance(body, Malformed):
        return body
    limited = next((e for e in body.errors if e.type in _RATE_TYPES or "rate limit" in e.message.lower()), None)
    if limited is not None:
        primary = limited.type in _RATE_TYPES and not is_secondary(limited.message)
        return throttled(response, words(limited.message), primary=primary)
    if not body.data:
        failure = _query_failure(body.errors) or stated_failure(response)
        return failure or Malformed("GraphQL answer without data and without an error")
    return body


def _query_failure(errors: Sequence[GraphQLError]) -> Failure | None:
    """Return the failure that errors without any data mean."""
    if not errors:
        return None
    error = errors[0]
    if _is_size(error):
        return Overloaded(words(error.message))
    return Malformed(f"GraphQL refuses the query: {words(error.message)}")


def _is_size(error: GraphQLError) -> bool:
    return error.type in _SIZE_TYPES or any(sign in error.message.lower() for sign in _SIZE_SIGNS)


def _errors_by_key(errors: Sequence[GraphQLError], depth: int) -> dict[str | int, GraphQLError]:
    """Return errors by the element of their path that names the repository."""
    return {error.path[depth]: error for error in reversed(errors) if error.path and len(error.path) > depth}


def _nodes_of(nodes: Sequence[object], node_ids: Sequence[str]) -> list[object]:
    """Return the node of each id requested; ``None`` for one that did not come back.

    Nodes stand at the places of their ids, and their own ids may have another form. Only in a list shorter than
    requested, where a place states nothing, does a node's own id decide.
    """
    if len(nodes) >= len(node_ids):
        return list(nodes)
    own = {node["id"]: node for node in nodes if isinstance(node, dict) and isinstance(node.get("id"), str)}
    return [own.get(node_id) for node_id in node_ids]


def read_item(shape: type[S], node: object, error: GraphQLError | None, name: str) -> S | Failure:
    """Return one repository's part of a response as ``shape``.

    A part with an error at any depth is incomplete, because the ``null`` in its place has no meaning.
    """
    if node is None or error is not None:
        return _read_error(error)
    try:
        return shape.model_validate(node)
    except ValidationError as fault:
        return Malformed(f"repository {name}: {first_fault(fault)}")


def _read_error(error: GraphQLError | None) -> Failure:
    if error is None:
        return Overloaded("it did not come back and no error says why")
    message = words(error.message)
    if error.type == "NOT_FOUND":
        return Gone(message)
    if error.type in ("FORBIDDEN", "INSUFFICIENT_SCOPES", "SAML_FAILURE"):
        return Blocked(BlockCause.ACCESS, message)
    if error.type in ("DMCA", "UNAVAILABLE_FOR_LEGAL_REASONS") or "dmca" in message.lower():
        return Blocked(BlockCause.LEGAL, message)
    return Overloaded(message) if _is_size(error) else Transient(message)
