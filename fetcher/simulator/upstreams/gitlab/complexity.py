"""The complexity and the depth of a query before it is run.

Source: GitLab's "GraphQL API", "Limits", and the costs in its source. A field costs 1, one that reads the repository 2,
and one with a cost of its own that, plus its children. A connection costs (children + 1) × (1 + 0.01 × page size).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    IntValueNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
)

from fetcher.simulator.graphql_queries import Query

PAGE = 100
READS_REPOSITORY = frozenset({("Repository", "rootRef"), ("Repository", "empty"), ("Repository", "lastCommit")})
OWN_COSTS: Mapping[tuple[str, str], int] = {("Tree", "lastCommit"): 10}


@dataclass(frozen=True, slots=True)
class Size:
    """The complexity of a selection, and the number of its levels."""

    complexity: float
    depth: int


@dataclass(frozen=True, slots=True)
class Meter:
    """A measurement of one query."""

    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any]

    @classmethod
    def measure(cls, query: Query) -> Size:
        """Return the size of a query."""
        fragments = {
            node.name.value: node for node in query.document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        root = query.schema.query_type
        if root is None:
            raise ValueError("the schema has no queries")
        return cls(fragments, query.variables).selection(query.operation.selection_set, root)

    def selection(self, selections: SelectionSetNode, parent: GraphQLObjectType) -> Size:
        """Return the size of a selection on an object of the type ``parent``."""
        sizes = []
        for node in selections.selections:
            if isinstance(node, FragmentSpreadNode):
                sizes.append(self.selection(self.fragments[node.name.value].selection_set, parent))
            elif isinstance(node, FieldNode):
                sizes.append(self._field(node, parent))
            else:
                sizes.append(self.selection(node.selection_set, parent))  # type: ignore[attr-defined]
        return Size(sum(one.complexity for one in sizes), max((one.depth for one in sizes), default=0))

    def _field(self, node: FieldNode, parent: GraphQLObjectType) -> Size:
        name = node.name.value
        field = parent.fields.get(name)
        kind = get_named_type(field.type) if field is not None else None
        below = Size(0, 0)
        if node.selection_set is not None and isinstance(kind, GraphQLObjectType):
            below = self.selection(node.selection_set, kind)
        own = OWN_COSTS.get((parent.name, name), 2 if (parent.name, name) in READS_REPOSITORY else 1)
        cost = below.complexity + own
        if kind is not None and kind.name.endswith("Connection"):
            cost *= 1 + 0.01 * self._page(node)
        return Size(cost, below.depth + 1)

    def _page(self, node: FieldNode) -> int:
        for argument in node.arguments or ():
            if argument.name.value in ("first", "last"):
                value = argument.value
                number = self.variables.get(value.name.value) if isinstance(value, VariableNode) else None
                if isinstance(value, IntValueNode):
                    number = int(value.value)
                return min(PAGE, number) if isinstance(number, int) else PAGE
        return PAGE
