"""GraphQL documents, validated with the simulator's schema, and with the published one if present."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from importlib import resources
from pathlib import Path

import pytest
from graphql import GraphQLSchema, build_schema, parse, validate

from fetcher.upstreams.github import queries

PUBLISHED = Path(__file__).parents[4] / "shared" / "contract" / "github-schema.graphql.gz"
DOCUMENTS = {
    "by id": queries.BY_ID,
    "by one name": queries.by_name(1),
    "by 100 names": queries.by_name(queries.MAX_NODES),
    "viewer": queries.VIEWER,
    "heads": queries.heads(parents=False),
    "heads with parents": queries.heads(parents=True),
    "one page": queries.pages(1, parents=False),
    "one page with parents": queries.pages(1, parents=True),
    "100 pages": queries.pages(queries.MAX_NODES, parents=False),
    "100 pages with parents": queries.pages(queries.MAX_NODES, parents=True),
}


@lru_cache(maxsize=1)
def served_schema() -> GraphQLSchema:
    text = (resources.files("fetcher.simulator.upstreams.github") / "schema.graphql").read_text("utf-8")
    return build_schema(text)


@lru_cache(maxsize=1)
def published_schema() -> GraphQLSchema:
    return build_schema(gzip.decompress(PUBLISHED.read_bytes()).decode(), assume_valid=True)


def faults(schema: GraphQLSchema, document: str) -> Iterator[str]:
    return (str(error) for error in validate(schema, parse(document)))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_valid_against_the_schema_that_the_simulator_serves(name: str) -> None:
    """Every document is valid for the simulator."""
    assert list(faults(served_schema(), DOCUMENTS[name])) == []


@pytest.mark.skipif(not PUBLISHED.is_file(), reason="the published schema lies beside the checkout, not in it")
@pytest.mark.parametrize("name", DOCUMENTS)
def test_valid_against_the_published_schema(name: str) -> None:
    """Every document is valid for GitHub."""
    assert list(faults(published_schema(), DOCUMENTS[name])) == []


def test_the_validation_can_fail() -> None:
    """A field missing from GitHub's schema (there are no contributors in GraphQL) is found."""
    wrong = queries.BY_ID.replace("forkCount", "contributors")
    assert "Cannot query field 'contributors'" in next(faults(served_schema(), wrong))


@pytest.mark.parametrize("document", [queries.heads, partial(queries.pages, 2)])
def test_parents_are_requested_only_where_merges_matter(document: Callable[..., str]) -> None:
    """Parents, which cost one connection per commit, are only in the document that recognises merges."""
    assert "parents { totalCount }" in document(parents=True)
    assert "parents" not in document(parents=False)


def test_every_page_has_variables_of_its_own() -> None:
    """Each alias of a document for several pages has its own repository, head and cursor."""
    document = queries.pages(3, parents=False)
    for number in range(3):
        field = f"r{number}: node(id: $i{number}) {{ ... on Repository {{ object(oid: $h{number})"
        assert document.count(field) == 1
        assert document.count(f"after: $a{number})") == 1
