"""The cost of a query before it is run.

Source: "Rate limits and node limits for the GraphQL API": count the requests needed for each connection, divide by
100, round; at least one point. A connection needs one request for each of its parents.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_object_type,
)

REQUESTS_A_POINT = 100


@dataclass(slots=True)
class Cost:
    """``requests`` of connections and ``nodes`` that they may return at most."""

    requests: int = 0
    nodes: int = 0

    @property
    def points(self) -> int:
        return max(1, (self.requests + REQUESTS_A_POINT // 2) // REQUESTS_A_POINT)


def connection_fields(schema: GraphQLSchema) -> frozenset[str]:
    """Return the names of the fields that return a connection."""
    return frozenset(
        name
        for kind in schema.type_map.values()
        if is_object_type(kind)
        for name, field in kind.fields.items()
        if get_named_type(field.type).name.endswith("Connection")
    )


class CostReader:
    """Measurement of documents of one schema."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._connections = connection_fields(schema)

    def measure(self, document: DocumentNode, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> Cost:
        fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
        cost = Cost()
        defaults = {
            one.variable.name.value: int(one.default_value.value)
            for one in operation.variable_definitions or ()
            if isinstance(one.default_value, IntValueNode)
        }
        self._walk(operation.selection_set, 1, cost, fragments, {**defaults, **variables})
        return cost

    def _walk(
        self,
        selections: SelectionSetNode,
        parents: int,
        cost: Cost,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
    ) -> None:
        for node in selections.selections:
            below = parents
            inner: SelectionSetNode | None
            if isinstance(node, FragmentSpreadNode):
                inner = fragments[node.name.value].selection_set
            else:
                inner = node.selection_set  # type: ignore[attr-defined]
            if isinstance(node, FieldNode):
                below = parents * self._children(node, parents, cost, variables)
            if inner is not None:
                self._walk(inner, below, cost, fragments, variables)

    def _children(self, node: FieldNode, parents: int, cost: Cost, variables: Mapping[str, Any]) -> int:
        """Return the most objects that a field returns for one parent, and add its cost to ``cost``."""
        name = node.name.value
        if name == "nodes" and parents == 1 and node.arguments:
            asked = _argument(node, "ids", variables)
            children = len(asked) if isinstance(asked, list) else 1
            cost.nodes += children
            return children
        if name not in self._connections:
            return 1
        cost.requests += parents
        size = _argument(node, "first", variables) or _argument(node, "last", variables)
        children = size if isinstance(size, int) and size > 0 else 1
        cost.nodes += parents * (children if size else 0)
        return children


def _argument(node: FieldNode, name: str, variables: Mapping[str, Any]) -> Any:
    value = next((one.value for one in node.arguments or () if one.name.value == name), None)
    if isinstance(value, VariableNode):
        return variables.get(value.name.value)
    if isinstance(value, ListValueNode):
        return list(value.values)
    return int(value.value) if isinstance(value, IntValueNode) else None
