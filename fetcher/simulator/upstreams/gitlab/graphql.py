"""GitLab's GraphQL API: a subset of the published schema; queries are measured, then executed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from math import ceil
from typing import Any

from graphql import GraphQLError, GraphQLObjectType, GraphQLSchema, build_schema

from fetcher.simulator.exchange import Answer, Call
from fetcher.simulator.graphql_queries import Info, Query, QueryReader, View
from fetcher.simulator.repository import Repository
from fetcher.simulator.upstreams.gitlab import views
from fetcher.simulator.upstreams.gitlab.complexity import Meter, Size
from fetcher.simulator.world import World

LONGEST_QUERY = 10_000
MOST_PATHS = 50
ANONYMOUS_COMPLEXITY, USER_COMPLEXITY = 200, 250
ANONYMOUS_DEPTH, USER_DEPTH = 15, 20
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
    """One query: its size and its limit, its sender, and the packages that it named with their places."""

    size: Size
    limit: int
    member: bool
    """The sender may see private projects."""
    packages: dict[str, tuple[str | int, ...]] = field(default_factory=dict)


class GitLabGraphQL:
    """The handler of ``POST /api/graphql``."""

    def __init__(self, world: World, host: str, *, older: bool) -> None:
        self._world = world
        self._host = host
        self._queries = QueryReader(load_schema(older=older))

    def handle(self, call: Call) -> Answer:
        query = self._queries.read(call.body)
        match query:
            case None:
                return _refused("Unexpected end of document")
            case Query() if len(query.text) > LONGEST_QUERY:
                return _refused("Query too large")
            case Query():
                answer = self._measured(call, query)
                answer.operation = query.name
                return answer
            case errors:
                return Answer(payload={"errors": [_invalid(error) for error in errors]})

    def _measured(self, call: Call, query: Query) -> Answer:
        """Execute the query within the limits of anonymous clients or of users."""
        size = Meter.measure(query)
        most, deepest = (ANONYMOUS_COMPLEXITY, ANONYMOUS_DEPTH) if call.token is None else (USER_COMPLEXITY, USER_DEPTH)
        score = ceil(size.complexity)
        if score > most:
            return _refused(f"Query has complexity of {score}, which exceeds max complexity of {most}")
        if size.depth > deepest:
            return _refused(f"Query has depth of {size.depth}, which exceeds max depth of {deepest}")
        asked = _Asked(size, most, call.member)
        result = query.execute(self._root(), asked)
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
        found = self._at(fullPath, info.context)
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
        """Return the projects that the sender may see, newest number first, whatever the order of the request."""
        if fullPaths is not None and len(fullPaths) > MOST_PATHS:
            raise GraphQLError(f"You cannot provide more than {MOST_PATHS} full_paths")
        asked: _Asked = info.context
        by_path = [self._at(one, asked) for one in fullPaths or ()]
        found = by_path if ids is None else [self._numbered(one, asked) for one in ids]
        listed = {one.database_id: one for one in found if one is not None}
        size = min(views.MOST_PER_PAGE, first if first is not None else views.MOST_PER_PAGE)
        shown = [listed[number] for number in sorted(listed, reverse=True)][:size]
        named: Sequence[str] = ids if ids is not None else fullPaths or ()
        info.context.packages.update(dict.fromkeys(named, ()))
        for at, one in enumerate(shown):
            info.context.packages[one.full_name] = (*info.path.as_list(), "nodes", at)
        page = {**views.NO_PAGES, "hasNextPage": len(listed) > size}
        return {"nodes": [views.project(one) for one in shown], "count": len(listed), "pageInfo": page}

    def _numbered(self, global_id: str, asked: _Asked) -> Repository | None:
        text = global_id.removeprefix(views.GLOBAL_ID)
        if text == global_id or not (text.isascii() and text.isdigit()):
            raise GraphQLError(f'"{global_id}" is not a valid ID for Project')
        found = self._world.repository_by_id(int(text) + views.NUMBERED_FROM, self._host)
        return shown(found, member=asked.member)

    def _at(self, path: str, asked: _Asked) -> Repository | None:
        """Return the project that has the path now: a former path leads nowhere."""
        found = shown(self._world.repository(f"{self._host}/{path}"), member=asked.member)
        return found if found is not None and found.full_name.lower() == path.lower() else None


def shown(found: Repository | None, *, member: bool) -> Repository | None:
    """Return a repository that the sender may see: a private one only as a member, one that was taken down never."""
    hidden = found is None or found.block is not None or (found.private and not member)
    return None if hidden else found


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
