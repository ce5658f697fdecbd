"""GitLab's GraphQL API: a subset of the published schema; queries are measured, then executed."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from math import ceil
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    build_schema,
    execute_sync,
    get_operation_ast,
    parse,
    validate,
)

from fetcher.simulator.exchange import Answer, Call
from fetcher.simulator.repository import Repository
from fetcher.simulator.upstreams.gitlab import views
from fetcher.simulator.upstreams.gitlab.complexity import Meter, Size
from fetcher.simulator.upstreams.gitlab.views import Info, View
from fetcher.simulator.world import World

LONGEST_QUERY = 10_000
MOST_PATHS = 50
ANONYMOUS_COMPLEXITY, USER_COMPLEXITY = 200, 250
ANONYMOUS_DEPTH, USER_DEPTH = 15, 20
DOCUMENTS_KEPT = 256
LACKED_BY_OLDER = {"Repository": "lastCommit", "Project": "markedForDeletion"}

_UNKNOWN_FIELD = re.compile(r"Cannot query field '(\w+)' on type '(\w+)'")


def load_schema(*, older: bool = False) -> GraphQLSchema:
    text = (resources.files("fetcher.simulator.upstreams.gitlab") / "schema.graphql").read_text("utf-8")
    schema = build_schema(text)
    if older:
        for name, lacked in LACKED_BY_OLDER.items():
            kind = schema.type_map[name]
            if isinstance(kind, GraphQLObjectType):
                del kind.fields[lacked]
    return schema


@dataclass(slots=True)
class _Asked:
    """One query: its size and its limit, and the packages that it named with their places."""

    size: Size
    limit: int
    packages: dict[str, tuple[str | int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Prepared:
    document: DocumentNode
    errors: tuple[GraphQLError, ...]


class GitLabGraphQL:
    """The handler of ``POST /api/graphql``."""

    def __init__(self, world: World, host: str, *, older: bool) -> None:
        self._world = world
        self._host = host
        self._schema = load_schema(older=older)
        self._prepared = lru_cache(maxsize=DOCUMENTS_KEPT)(self._prepare)

    def handle(self, call: Call) -> Answer:
        try:
            request = json.loads(call.body)
            text, variables = str(request["query"]), request.get("variables") or {}
        except (ValueError, KeyError, TypeError, AttributeError):
            return _refused("Unexpected end of document")
        if len(text) > LONGEST_QUERY:
            return _refused("Query too large")
        try:
            prepared = self._prepared(text)
        except GraphQLError as error:
            return _refused(error.message)
        if prepared.errors:
            return Answer(payload={"errors": [_invalid(error) for error in prepared.errors]})
        operation = get_operation_ast(prepared.document, request.get("operationName"))
        if operation is None:
            return _refused("An operation name is required")
        answer = self._measured(call, prepared.document, operation, variables)
        answer.operation = operation.name.value if operation.name else ""
        return answer

    def _prepare(self, text: str) -> _Prepared:
        document = parse(text, no_location=False)
        return _Prepared(document, tuple(validate(self._schema, document)))

    def _measured(
        self, call: Call, document: DocumentNode, operation: OperationDefinitionNode, variables: Mapping[str, Any]
    ) -> Answer:
        size = Meter.measure(self._schema, document, operation, variables)
        most, deepest = (ANONYMOUS_COMPLEXITY, ANONYMOUS_DEPTH) if call.token is None else (USER_COMPLEXITY, USER_DEPTH)
        score = ceil(size.complexity)
        if score > most:
            return _refused(f"Query has complexity of {score}, which exceeds max complexity of {most}")
        if size.depth > deepest:
            return _refused(f"Query has depth of {size.depth}, which exceeds max depth of {deepest}")
        asked = _Asked(size, most)
        result = execute_sync(
            self._schema,
            document,
            root_value=self._root(),
            context_value=asked,
            variable_values=dict(variables),
            operation_name=operation.name.value if operation.name else None,
            field_resolver=views.resolve_field,
        )
        payload: dict[str, Any] = {"data": result.data}
        if result.errors:
            payload["errors"] = [error.formatted for error in result.errors]
        return Answer(payload=payload, packages=asked.packages)

    def _root(self) -> dict[str, Any]:
        return {
            "project": self._project,
            "projects": self._projects,
            "queryComplexity": lambda info: {
                "score": ceil(info.context.size.complexity),
                "limit": info.context.limit,
            },
        }

    def _project(self, info: Info, fullPath: str) -> View | None:  # noqa: N803 - the argument's name in the schema
        found = self._at(fullPath)
        info.context.packages[fullPath] = ("project",)
        return None if found is None else views.project(found)

    def _projects(
        self,
        info: Info,
        ids: Sequence[str] | None = None,
        fullPaths: Sequence[str] | None = None,  # noqa: N803 - the argument's name in the schema
        first: int | None = None,
        **_others: Any,
    ) -> View:
        """Return the projects that exist and are public, newest number first, whatever the order of the request."""
        if fullPaths is not None and len(fullPaths) > MOST_PATHS:
            raise GraphQLError(f"You cannot provide more than {MOST_PATHS} full_paths")
        found = [self._numbered(one) for one in ids] if ids is not None else [self._at(one) for one in fullPaths or ()]
        listed = {one.database_id: one for one in found if one is not None}
        size = min(views.MOST_PER_PAGE, first if first is not None else views.MOST_PER_PAGE)
        shown = [listed[number] for number in sorted(listed, reverse=True)][:size]
        named: Sequence[str] = ids if ids is not None else fullPaths or ()
        info.context.packages.update(dict.fromkeys(named, ()))
        for at, one in enumerate(shown):
            info.context.packages[one.full_name] = (*info.path.as_list(), "nodes", at)
        page = {**views.NO_PAGES, "hasNextPage": len(listed) > size}
        return {"nodes": [views.project(one) for one in shown], "count": len(listed), "pageInfo": page}

    def _numbered(self, global_id: str) -> Repository | None:
        text = global_id.removeprefix(views.GLOBAL_ID)
        if text == global_id or not (text.isascii() and text.isdigit()):
            raise GraphQLError(f'"{global_id}" is not a valid ID for Project')
        return shown(self._world.repository_by_id(int(text) + views.NUMBERED_FROM, self._host))

    def _at(self, path: str) -> Repository | None:
        """Return the project that has the path now: a former path leads nowhere."""
        found = shown(self._world.repository(f"{self._host}/{path}"))
        return found if found is not None and found.full_name.lower() == path.lower() else None


def shown(found: Repository | None) -> Repository | None:
    """Return a repository that the public may see. One that was taken down is hidden like a private one."""
    return None if found is None or found.private or found.block is not None else found


def _refused(text: str) -> Answer:
    """Return the response to a query that is not run: HTTP 200 without data."""
    return Answer(payload={"errors": [{"message": text}]})


def _invalid(error: GraphQLError) -> dict[str, Any]:
    """Return a violation of the schema in the form of GitLab's library."""
    unknown = _UNKNOWN_FIELD.match(error.message)
    if unknown is None:
        return {"message": error.message}
    name, kind = unknown[1], unknown[2]
    return {
        "message": f"Field '{name}' doesn't exist on type '{kind}'",
        "locations": [{"line": one.line, "column": one.column} for one in error.locations or ()],
        "extensions": {"code": "undefinedField", "typeName": kind, "fieldName": name},
    }
