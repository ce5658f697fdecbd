"""The GraphQL documents are valid: against the simulator's part of the schema, and the published whole where it is."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from functools import lru_cache
from importlib import resources
from pathlib import Path

import pytest
from graphql import GraphQLSchema, build_schema, parse, validate

from fetcher.github import queries

PUBLISHED = Path(__file__).parents[4] / "shared" / "contract" / "github-schema.graphql.gz"
DOCUMENTS = {
    "by id": queries.BY_ID,
    "by one name": queries.by_name(1),
    "by 100 names": queries.by_name(queries.MAX_NODES),
    "viewer": queries.VIEWER,
}


@lru_cache(maxsize=1)
def served_schema() -> GraphQLSchema:
    text = (resources.files("fetcher.simulator") / "schema.graphql").read_text("utf-8")
    return build_schema(text)


@lru_cache(maxsize=1)
def published_schema() -> GraphQLSchema:
    return build_schema(gzip.decompress(PUBLISHED.read_bytes()).decode(), assume_valid=True)


def faults(schema: GraphQLSchema, document: str) -> Iterator[str]:
    return (str(error) for error in validate(schema, parse(document)))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_valid_against_the_schema_that_the_simulator_serves(name: str) -> None:
    """Every document can be run against the simulator."""
    assert list(faults(served_schema(), DOCUMENTS[name])) == []


@pytest.mark.skipif(not PUBLISHED.is_file(), reason="the published schema lies beside the checkout, not in it")
@pytest.mark.parametrize("name", DOCUMENTS)
def test_valid_against_the_published_schema(name: str) -> None:
    """Every document is one that GitHub itself would run."""
    assert list(faults(published_schema(), DOCUMENTS[name])) == []


def test_the_validation_can_fail() -> None:
    """A field that GitHub does not have (there are no contributors in GraphQL) is found."""
    wrong = queries.BY_ID.replace("forkCount", "contributors")
    assert "Cannot query field 'contributors'" in next(faults(served_schema(), wrong))
