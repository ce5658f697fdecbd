"""The GraphQL schema that the simulator serves, and that it really executes."""

import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLArgument,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    parse,
    print_ast,
)

from fetcher.simulator import changes
from fetcher.simulator.catalogue import seeds, synthetic
from fetcher.simulator.clock import Clock
from fetcher.simulator.repository import Block
from fetcher.simulator.upstreams.github.graphql import load_schema
from fetcher.simulator.upstreams.github.graphql_cost import CostReader
from fetcher.simulator.upstreams.github.limits import Ledger, Limits, Resource
from fetcher.simulator.upstreams.github.node_ids import NodeIds, database_id_of, node_id, node_id_of
from fetcher.simulator.upstreams.github.options import GitHubOptions
from fetcher.simulator.world import World
from tests.harness.clock import NOW
from tests.unit.simulator.graphql_queries import run_query

PUBLISHED = Path(__file__).parents[4] / "shared" / "contract" / "github-schema.graphql.gz"
BATCH = """
query($ids: [ID!]!) {
  nodes(ids: $ids) {
    ... on Repository {
      id databaseId nameWithOwner stargazerCount forkCount description isArchived isEmpty pushedAt
      watchers { totalCount }
      defaultBranchRef { name target { oid ... on Commit { committedDate } } }
    }
  }
  rateLimit { cost remaining used nodeCount }
}
"""


def world_of_seeds() -> World:
    return seeds(Clock(NOW))


def own_types(schema: GraphQLSchema) -> Mapping[str, GraphQLObjectType | GraphQLInterfaceType]:
    return {
        name: kind
        for name, kind in schema.type_map.items()
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType) and not name.startswith("__")
    }


def declared(argument: GraphQLArgument) -> tuple[str, str]:
    """Return an argument's type and its default as in the schema's text."""
    node = argument.ast_node
    return str(argument.type), print_ast(node.default_value) if node and node.default_value else ""


@pytest.mark.skipif(not PUBLISHED.exists(), reason="GitHub's published schema lies beside the checkout, not in it")
def test_every_field_is_as_github_publishes_it() -> None:
    """Names, arguments with their defaults, and nullability agree with the published schema."""
    published = build_schema(gzip.decompress(PUBLISHED.read_bytes()).decode(), assume_valid=True)
    differing = []
    for name, kind in own_types(load_schema()).items():
        theirs = published.type_map[name]
        assert isinstance(theirs, GraphQLObjectType | GraphQLInterfaceType)
        for field_name, field in kind.fields.items():
            reference = theirs.fields[field_name]
            same = all(declared(it) == declared(reference.args[one]) for one, it in field.args.items())
            if str(field.type) != str(reference.type) or not same:
                differing.append(f"{name}.{field_name}")

    assert differing == []


def test_a_batch_by_node_id_gives_each_repository_its_facts() -> None:
    """Statistics, head and quota of several repositories come from one executed query of one point."""
    world = world_of_seeds()
    lesscpy = world.repository("lesscpy/lesscpy")
    assert lesscpy is not None

    answer = run_query(world, BATCH, ids=[node_id_of(lesscpy)])

    node = answer["data"]["nodes"][0]
    assert (node["nameWithOwner"], node["stargazerCount"], node["forkCount"]) == ("lesscpy/lesscpy", 144, 46)
    assert node["defaultBranchRef"]["target"]["committedDate"] == "2022-10-21T11:36:40Z"
    assert answer["data"]["rateLimit"] == {"cost": 1, "remaining": 4_999, "used": 1, "nodeCount": 1}
    assert "errors" not in answer


def test_a_missing_repository_is_a_null_and_an_error_with_its_path() -> None:
    """Neither a missing node nor a private or blocked one fails its neighbours."""
    world = world_of_seeds()
    ids = [node_id_of(repository) for known in world.repository_ids() if (repository := world.repository_by_id(known))]
    changes.set_facts(world, "lesscpy/lesscpy", changes.Facts(private=True))
    changes.set_block(world, "codingjoe/django-vies", Block.LEGAL)

    answer = run_query(world, BATCH, ids=[*ids, "R_kgDOunknown"])

    lost = {tuple(error["path"]): error["type"] for error in answer["errors"]}
    places = [at for at, node in enumerate(answer["data"]["nodes"]) if node is None]
    assert sorted(lost) == [("nodes", at) for at in places]
    assert sorted(lost.values()) == ["FORBIDDEN", "NOT_FOUND", "NOT_FOUND"]
    assert sum(node is not None for node in answer["data"]["nodes"]) == 3


@pytest.mark.parametrize("form", NodeIds)
def test_either_form_of_node_id_is_taken_and_the_one_in_force_is_given(form: NodeIds) -> None:
    """Repositories are found by both forms; every id of the answer has the form in force."""
    world = world_of_seeds()
    repository = changes.repository_of(world, "lesscpy/lesscpy")
    ids = [node_id("Repository", repository.database_id, one) for one in NodeIds]
    text = "query($ids: [ID!]!) { nodes(ids: $ids) { id ... on Repository { owner { id } } } viewer { id } }"
    data = run_query(world, text, options=GitHubOptions(node_ids=form), ids=ids)["data"]

    given = node_id("Repository", repository.database_id, form)
    assert [node["id"] for node in data["nodes"]] == [given, given]
    assert database_id_of(data["nodes"][0]["owner"]["id"], "User") is not None
    assert data["viewer"]["id"].startswith("U_") is (form is NodeIds.NEW)


def test_renames_are_followed_by_default() -> None:
    """The old name resolves silently; with followRenames: false it does not."""
    world = world_of_seeds()
    changes.rename(world, "lesscpy/lesscpy", "lessc")
    text = '{ repository(owner: "lesscpy", name: "lesscpy"%s) { nameWithOwner } }'

    assert run_query(world, text % "")["data"]["repository"] == {"nameWithOwner": "lesscpy/lessc"}
    assert run_query(world, text % ", followRenames: false")["errors"][0]["type"] == "NOT_FOUND"


def test_more_than_100_ids_are_refused() -> None:
    """GitHub takes 100 ids in one nodes field."""
    answer = run_query(world_of_seeds(), BATCH, ids=["R_kgDOunknown"] * 101)

    assert answer["errors"][0]["type"] == "ARGUMENT_LIMIT"
    assert answer["data"] is None


def test_an_empty_repository_has_no_branch() -> None:
    """isEmpty is true and defaultBranchRef null."""
    world = world_of_seeds()
    changes.empty(world, "lesscpy/lesscpy")
    answer = run_query(world, '{ repository(owner: "lesscpy", name: "lesscpy") { isEmpty defaultBranchRef { name } } }')

    assert answer["data"]["repository"] == {"isEmpty": True, "defaultBranchRef": None}


def test_a_default_branch_may_be_missing_from_a_repository_with_commits() -> None:
    """defaultBranchRef is null while isEmpty is false, HEAD leads nowhere, and an oid is still found."""
    world = world_of_seeds()
    repository = changes.set_facts(world, "lesscpy/lesscpy", changes.Facts(default_branch_missing=True))
    oid = repository.history.commits()[-1].oid
    text = """query($oid: GitObjectID!) { repository(owner: "lesscpy", name: "lesscpy") {
        isEmpty defaultBranchRef { name } head: object(expression: "HEAD") { oid } commit: object(oid: $oid) { oid }
    } }"""

    assert run_query(world, text, oid=oid)["data"]["repository"] == {
        "isEmpty": False,
        "defaultBranchRef": None,
        "head": None,
        "commit": {"oid": oid},
    }


def test_history_is_newest_first_and_cut_by_dates() -> None:
    """totalCount is the number of commits between since and until, and nodes has the requested number."""
    world = synthetic(20, 1, Clock(NOW))
    repository = next(
        one for known in world.repository_ids() if (one := world.repository_by_id(known)) and not one.empty
    )
    commits = repository.history.commits()
    since = commits[-1].committed_at.isoformat()
    text = """query($id: ID!, $since: GitTimestamp) { node(id: $id) { ... on Repository { defaultBranchRef { target {
        ... on Commit { all: history(first: 2) { totalCount nodes { oid } } new: history(since: $since) { totalCount }
    } } } } } }"""

    target = run_query(world, text, id=node_id_of(repository), since=since)["data"]["node"]["defaultBranchRef"][
        "target"
    ]

    assert target["all"]["totalCount"] == len(commits)
    assert [node["oid"] for node in target["all"]["nodes"]] == [commits[-1].oid, commits[-2].oid]
    assert target["new"]["totalCount"] == sum(one.committed_at >= commits[-1].committed_at for one in commits)


def test_an_unknown_field_is_an_error_of_the_query() -> None:
    """A field that GitHub's schema lacks is refused, and costs nothing."""
    ledger = Ledger(Limits())
    answer = run_query(world_of_seeds(), "{ viewer { contributors } }", ledger=ledger)

    assert "contributors" in answer["errors"][0]["message"]
    assert ledger.standing("ann", Resource.GRAPHQL, NOW).used == 0


def test_an_exhausted_quota_is_an_error_in_a_good_answer() -> None:
    """RATE_LIMITED comes with HTTP 200 (GitHub's GraphQL reference, "Rate limits and query limits")."""
    ledger = Ledger(Limits(graphql_per_hour=1))
    world = world_of_seeds()

    assert "errors" not in run_query(world, "{ viewer { login } }", ledger=ledger)
    assert run_query(world, "{ viewer { login } }", ledger=ledger)["errors"][0]["type"] == "RATE_LIMITED"


def test_a_query_dearer_than_the_rest_of_the_quota_has_another_type_of_error() -> None:
    """RATE_LIMIT while points are left: nothing is charged, and the quota is as it was."""
    ledger = Ledger(Limits(graphql_per_hour=3))
    text = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Repository { %s } } }"
    four = " ".join(f"n{number}: watchers {{ totalCount }}" for number in range(4))
    answer = run_query(world_of_seeds(), text % four, ledger=ledger, ids=["R_kgDOunknown"] * 100)

    assert answer["errors"][0]["type"] == "RATE_LIMIT"
    assert ledger.standing("ann", Resource.GRAPHQL, NOW).remaining == 3


@pytest.mark.parametrize(
    ("text", "requests", "points"),
    [
        ("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", 0, 1),
        ("query($ids: [ID!]!) { nodes(ids: $ids) { ... on Repository { watchers { totalCount } } } }", 100, 1),
        (
            """query($ids: [ID!]!) { nodes(ids: $ids) { ...two } }
            fragment two on Repository { watchers { totalCount } stargazers { totalCount } }""",
            200,
            2,
        ),
        (
            """query($ids: [ID!]!, $s: GitTimestamp) { nodes(ids: $ids) { ... on Repository { defaultBranchRef {
            target { ... on Commit { all: history { totalCount } new: history(since: $s) { totalCount } } } } } } }""",
            200,
            2,
        ),
        (
            """query($i0: ID!, $h0: GitObjectID!, $a0: String, $i1: ID!, $h1: GitObjectID!, $s: GitTimestamp) {
            r0: node(id: $i0) { ... on Repository { object(oid: $h0) { ... on Commit {
                history(first: 100, since: $s, after: $a0) { nodes { oid parents { totalCount } } } } } } }
            r1: node(id: $i1) { ... on Repository { object(oid: $h1) { ... on Commit {
                history(first: 100, since: $s) { nodes { oid } } } } } } }""",
            102,
            1,
        ),
        (
            """query($i: ID!, $n: Int = 60) { node(id: $i) { ... on Repository { object(expression: "HEAD") {
            ... on Commit { history(first: $n) { nodes { parents(first: 2) { nodes { parents { totalCount } } } } } }
            } } } }""",
            181,
            2,
        ),
    ],
)
def test_the_cost_counts_each_connection_once_a_parent(text: str, requests: int, points: int) -> None:
    """Connection requests over 100, at least one point."""
    schema = load_schema()
    document = parse(text)
    operation: Any = document.definitions[0]

    cost = CostReader(schema).measure(document, operation, {"ids": ["x"] * 100})

    assert (cost.requests, cost.points) == (requests, points)
