"""Requests of GraphQL, read, validated and executed: common to the upstreams that serve it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLSchema,
    OperationDefinitionNode,
    execute_sync,
    get_operation_ast,
    parse,
    validate,
)

DOCUMENTS_KEPT = 256

View = dict[str, Any]
"""An object as GraphQL reads it: a plain dictionary, because a field then costs only a look-up."""
Info: TypeAlias = "GraphQLResolveInfo[Any]"


@dataclass(frozen=True, slots=True)
class Query:
    """One operation of a valid document, with its variables."""

    schema: GraphQLSchema
    text: str
    document: DocumentNode
    operation: OperationDefinitionNode
    variables: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.operation.name.value if self.operation.name else ""

    def execute(self, root: Mapping[str, Any], context: Any) -> ExecutionResult:
        """Return the result over a root of views."""
        return execute_sync(
            self.schema,
            self.document,
            root_value=root,
            context_value=context,
            variable_values=dict(self.variables),
            operation_name=self.name or None,
            field_resolver=resolve_field,
        )


class QueryReader:
    """A reader of requests for one schema. It keeps the documents that it has validated."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._validated: Callable[[str], tuple[DocumentNode, tuple[GraphQLError, ...]]]
        self._validated = lru_cache(maxsize=DOCUMENTS_KEPT)(self._validate)

    def read(self, body: bytes) -> Query | tuple[GraphQLError, ...] | None:
        """Return the query, its errors if it is not valid, or None if the body is no request."""
        try:
            request = json.loads(body)
            text, variables = str(request["query"]), request.get("variables") or {}
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        try:
            document, errors = self._validated(text)
        except GraphQLError as error:
            return (error,)
        if errors:
            return errors
        operation = get_operation_ast(document, request.get("operationName"))
        if operation is None:
            return (GraphQLError("An operation name is required"),)
        return Query(self._schema, text, document, operation, variables)

    def _validate(self, text: str) -> tuple[DocumentNode, tuple[GraphQLError, ...]]:
        document = parse(text, no_location=False)
        return document, tuple(validate(self._schema, document))


def resolve_field(source: Any, info: Info, **arguments: Any) -> Any:
    """Return the value of a key of the view, called if it is a function: the executor's default resolver.

    A costly field (a history, a connection with arguments) is a function, called only if the query selects it.
    """
    value = source.get(info.field_name)
    return value(info, **arguments) if callable(value) else value
