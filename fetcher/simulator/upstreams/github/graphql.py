"""GitHub's GraphQL API: a subset of the published schema; queries are executed."""

from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from graphql import GraphQLError, GraphQLSchema, build_schema

from fetcher.simulator.clock import stamp
from fetcher.simulator.exchange import Answer, Call
from fetcher.simulator.graphql_queries import Info, Query, QueryReader, View
from fetcher.simulator.repository import Repository
from fetcher.simulator.upstreams.github import graphql_views as views
from fetcher.simulator.upstreams.github.errors import message
from fetcher.simulator.upstreams.github.graphql_commits import typed_error, user
from fetcher.simulator.upstreams.github.graphql_cost import Cost, CostReader
from fetcher.simulator.upstreams.github.limits import Ledger, Reason, Resource, Standing
from fetcher.simulator.upstreams.github.node_ids import database_id_of
from fetcher.simulator.upstreams.github.options import HOST, GitHubOptions
from fetcher.simulator.world import World

MOST_IDS = 100
MOST_NODES = 500_000


def load_schema() -> GraphQLSchema:
    text = (resources.files("fetcher.simulator.upstreams.github") / "schema.graphql").read_text("utf-8")
    return build_schema(text)


@dataclass(slots=True)
class _Asked:
    """One query: its largest cost, and the packages that it named with their places."""

    call: Call
    cost: Cost
    packages: dict[str, tuple[str | int, ...]] = field(default_factory=dict)


class GitHubGraphQL:
    """The only handler of ``POST /graphql``. It charges the query itself, because a refusal depends on the cost."""

    def __init__(self, world: World, ledger: Ledger, options: GitHubOptions | None = None) -> None:
        self._world = world
        self._ledger = ledger
        self._options = options or GitHubOptions()
        schema = load_schema()
        self._costs = CostReader(schema)
        self._queries = QueryReader(schema)

    def handle(self, call: Call) -> Answer:
        query = self._queries.read(call.body)
        match query:
            case None:
                return message(400, "Problems parsing JSON")
            case Query():
                answer = self._charged(call, query)
                answer.operation = query.name
                return answer
            case errors:
                return _refused(*errors)

    def _charged(self, call: Call, query: Query) -> Answer:
        cost = self._costs.measure(query.document, query.operation, query.variables)
        if cost.nodes > MOST_NODES:
            text = f"This query requests up to {cost.nodes:,} possible nodes, above the limit of {MOST_NODES:,}."
            return _refused(typed_error("MAX_NODE_LIMIT_EXCEEDED", text))
        if not self._ledger.charge(call.identity, Resource.GRAPHQL, cost.points, call.now):
            standing = self._ledger.standing(call.identity, Resource.GRAPHQL, call.now)
            answer = rate_limited(call.identity, standing)
            answer.reason = Reason.PRIMARY
            return answer
        asked = _Asked(call, cost)
        result = query.execute(self._root(), asked)
        payload: dict[str, Any] = {"data": result.data}
        if result.errors:
            payload["errors"] = [_shown(error) for error in result.errors]
        return Answer(payload=payload, points=cost.points, packages=asked.packages)

    def _root(self) -> dict[str, Any]:
        return {
            "node": self._node,
            "nodes": self._nodes,
            "repository": self._repository,
            "rateLimit": self._rate_limit,
            "viewer": lambda info: user(info.context.call.identity, self._options),
        }

    def _node(self, info: Info, id: str) -> View:  # noqa: A002 - the argument's name in the schema
        found = self._by_node_id(info, id, tuple(info.path.as_list()))
        if isinstance(found, GraphQLError):
            raise found
        return found

    def _nodes(self, info: Info, ids: list[str]) -> list[View | GraphQLError]:
        if len(ids) > MOST_IDS:
            text = f"You may not provide more than {MOST_IDS} node ids; you provided {len(ids)}."
            raise typed_error("ARGUMENT_LIMIT", text)
        path = tuple(info.path.as_list())
        return [self._by_node_id(info, node, (*path, at)) for at, node in enumerate(ids)]

    def _by_node_id(self, info: Info, node: str, path: tuple[str | int, ...]) -> View | GraphQLError:
        number = database_id_of(node)
        found = self._world.repository_by_id(number, HOST) if number is not None else None
        missing = f"Could not resolve to a node with the global id of '{node}'"
        return self._shown_repository(info, found, found.full_name if found else node, path, missing)

    def _repository(
        self,
        info: Info,
        owner: str,
        name: str,
        followRenames: bool = True,  # noqa: N803, FBT001 - the argument's name in the schema
    ) -> View:
        full_name = f"{owner}/{name}"
        found = self._world.repository(f"{HOST}/{full_name}")
        if found is not None and not followRenames and found.full_name.lower() != full_name.lower():
            found = None
        missing = f"Could not resolve to a Repository with the name '{full_name}'."
        shown = self._shown_repository(info, found, full_name, tuple(info.path.as_list()), missing)
        if isinstance(shown, GraphQLError):
            raise shown
        return shown

    def _shown_repository(
        self, info: Info, found: Repository | None, package: str, path: tuple[str | int, ...], missing: str
    ) -> View | GraphQLError:
        """Return the view, or the error that replaces it in a list; the package counts as requested in both cases."""
        info.context.packages[package] = path
        if found is None or found.private:
            return typed_error("NOT_FOUND", missing)
        if found.block is not None:
            return typed_error("FORBIDDEN", "Repository access blocked")
        return views.repository(found, self._options)

    def _rate_limit(self, info: Info, dryRun: bool = False) -> View:  # noqa: N803, FBT001 - schema
        asked: _Asked = info.context
        standing = self._ledger.standing(asked.call.identity, Resource.GRAPHQL, asked.call.now)
        return {
            "cost": asked.cost.points,
            "limit": standing.limit,
            "nodeCount": asked.cost.nodes,
            "remaining": standing.remaining,
            "used": standing.used,
            "resetAt": stamp(standing.reset),
        }


def rate_limited(identity: str, standing: Standing) -> Answer:
    """Return the primary limit in GraphQL's form: HTTP 200 with an error.

    Its type differs if points are left, but fewer than the query costs.
    """
    kind = "RATE_LIMIT" if standing.remaining else "RATE_LIMITED"
    return _refused(typed_error(kind, f"API rate limit exceeded for user ID {identity}."))


def _refused(*errors: GraphQLError) -> Answer:
    """Return the response to a query that is not run: still HTTP 200, no data, nothing charged."""
    return Answer(payload={"errors": [_shown(error) for error in errors]}, points=0)


def _shown(error: GraphQLError) -> dict[str, Any]:
    """Return the error as JSON; GitHub puts the type beside the message, not into ``extensions``."""
    shown: dict[str, Any] = dict(error.formatted)
    kind = shown.pop("extensions", {}).get("type")
    return ({"type": kind} if kind else {}) | shown
