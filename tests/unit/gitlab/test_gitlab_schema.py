"""GitLab's documents and readers against its published schema, of which the table states the parts in use.

The types are those of the introspection of gitlab.com in version 19.4. They are written down here a second time, apart
from the schema that the simulator serves, so that an error in one of the two is found.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
from graphql import FieldNode, GraphQLObjectType, TypeInfo, TypeInfoVisitor, Visitor, parse, visit

from fetcher.domain.outcome import Fetched
from fetcher.simulator.upstreams.gitlab.graphql import load_schema
from fetcher.upstreams.batching import BatchAnswer
from fetcher.upstreams.gitlab.queries import ACCOUNTS, DELETION, LAST_COMMIT, PROBE, by_id, by_path
from fetcher.upstreams.gitlab.readers import read_accounts, read_by_id
from tests.unit.gitlab.test_gitlab_readers import ALPHA, nodes

PUBLISHED: Final = {
    "Query.projects": "ProjectConnection",
    "Query.queryComplexity": "QueryComplexity",
    "QueryComplexity.limit": "Int",
    "QueryComplexity.score": "Int",
    "ProjectConnection.nodes": "[Project]",
    "Project.id": "ID!",
    "Project.fullPath": "ID!",
    "Project.description": "String",
    "Project.archived": "Boolean",
    "Project.starCount": "Int!",
    "Project.forksCount": "Int!",
    "Project.markedForDeletion": "Boolean",
    "Project.repository": "Repository",
    "Repository.rootRef": "String",
    "Repository.empty": "Boolean!",
    "Repository.lastCommit": "Commit",
    "Repository.tree": "Tree",
    "Repository.commits": "CommitConnection",
    "Tree.lastCommit": "Commit",
    "CommitConnection.nodes": "[Commit]",
    "Commit.sha": "String!",
    "Commit.committedDate": "Time",
    "Commit.author": "UserCore",
    "UserCore.username": "String!",
}
"""Fields that the documents select, and their published types."""

ARGUMENTS: Final = {
    "Query.projects": {"ids": "[ID!]", "fullPaths": "[String!]", "first": "Int"},
    "Repository.commits": {"ref": "String!", "first": "Int"},
}
"""Arguments that the documents pass, and their published types."""

DOCUMENTS: Final = (by_id(), by_path(), by_id((LAST_COMMIT, DELETION)), ACCOUNTS, PROBE)


def selections(text: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield each field that a document selects: its name with its type's, its type, and the types of its arguments."""
    info = TypeInfo(load_schema())
    found: list[tuple[str, str, dict[str, str]]] = []

    class Fields(Visitor):
        def enter_field(self, node: FieldNode, *_: Any) -> None:
            parent, field = info.get_parent_type(), info.get_field_def()
            assert isinstance(parent, GraphQLObjectType)
            assert field is not None
            passed = {one.name.value: str(field.args[one.name.value].type) for one in node.arguments or ()}
            found.append((f"{parent.name}.{node.name.value}", str(field.type), passed))

    visit(parse(text), TypeInfoVisitor(info, Fields()))
    yield from found


def test_the_documents_select_published_fields() -> None:
    """Every selected field and argument is in the tables with the type that the simulator serves, and no other is."""
    selected = [one for text in DOCUMENTS for one in selections(text)]
    passed: dict[str, dict[str, str]] = {}
    for name, _, arguments in selected:
        if arguments:
            passed.setdefault(name, {}).update(arguments)

    assert {name: kind for name, kind, _ in selected} == PUBLISHED
    assert passed == ARGUMENTS


NULLABLE: Final = [
    name.partition(".")[2] for name, kind in PUBLISHED.items() if name.startswith("Project.") and not kind.endswith("!")
]


@pytest.mark.parametrize("field", NULLABLE)
def test_a_null_that_the_schema_permits_is_read(field: str) -> None:
    """A project with a nullable field that is null has a value."""
    batch = read_by_id(nodes({**ALPHA, field: None}), "gitlab.example", ["7"])

    assert isinstance(batch, BatchAnswer)
    assert isinstance(batch.outcomes[0], Fetched)


@pytest.mark.parametrize(
    "repository",
    [
        {"rootRef": None, "empty": True, "lastCommit": None},
        {"rootRef": "main", "empty": False, "lastCommit": {"sha": "a" * 40, "committedDate": None}},
        {"rootRef": "main", "empty": False, "tree": None},
        {"rootRef": "main", "empty": False, "tree": {"lastCommit": None}},
    ],
)
def test_a_repository_with_permitted_nulls_is_read(repository: dict[str, Any]) -> None:
    """A head that the response lacks is read over git instead."""
    batch = read_by_id(nodes({**ALPHA, "repository": repository}), "gitlab.example", ["7"])

    assert isinstance(batch, BatchAnswer)
    assert isinstance(batch.outcomes[0], Fetched)


@pytest.mark.parametrize(
    "repository",
    [
        None,
        {"commits": None},
        {"commits": {"nodes": None}},
        {"commits": {"nodes": [None, {"sha": "a", "author": None}]}},
    ],
)
def test_accounts_with_permitted_nulls_are_none(repository: Any) -> None:
    """No account is read where any part of the list is null."""
    assert read_accounts(nodes({"id": "gid://gitlab/Project/7", "repository": repository}), "a") == Fetched({})


@pytest.mark.parametrize("field", ["id", "fullPath", "starCount", "forksCount"])
def test_a_null_that_the_schema_forbids_is_malformed(field: str) -> None:
    """A missing value of a required field is not taken for a zero or an empty text."""
    batch = read_by_id(nodes({**ALPHA, field: None}), "gitlab.example", ["7"])

    assert isinstance(batch, BatchAnswer)
    assert not isinstance(batch.outcomes[0], Fetched)
