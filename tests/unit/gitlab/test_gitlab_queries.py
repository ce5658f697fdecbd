"""GitLab's documents: valid for the schema of a new and of an older server, and within the limits without a token."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from fetcher.simulator.graphql_queries import Query, QueryReader
from fetcher.simulator.upstreams.gitlab.complexity import Meter, Size
from fetcher.simulator.upstreams.gitlab.graphql import (
    ANONYMOUS_COMPLEXITY,
    ANONYMOUS_DEPTH,
    LONGEST_QUERY,
    load_schema,
)
from fetcher.upstreams.gitlab.queries import (
    ACCOUNTS,
    DELETION,
    LAST_COMMIT,
    MOST_IDS,
    MOST_PATHS,
    PROBE,
    by_id,
    by_path,
)

OLDER = (LAST_COMMIT, DELETION)


def size_of(text: str, variables: Mapping[str, Any], *, older: bool) -> Size:
    """Return a document's size after its validation."""
    request = json.dumps({"query": text, "variables": variables}).encode()
    query = QueryReader(load_schema(older=older)).read(request)
    assert isinstance(query, Query), query
    return Meter.measure(query)


@pytest.mark.parametrize(
    ("text", "variables", "older"),
    [
        (by_id(), {"first": MOST_IDS}, False),
        (by_id(OLDER), {"first": MOST_IDS}, True),
        (by_path(), {"first": MOST_PATHS}, False),
        (by_path(OLDER), {"first": MOST_PATHS}, True),
        (ACCOUNTS, {}, True),
        (PROBE, {}, True),
    ],
)
def test_documents_stay_within_the_limits(text: str, variables: Mapping[str, Any], *, older: bool) -> None:
    """The largest batch is admitted without a token, by the documented rule of complexity."""
    size = size_of(text, variables, older=older)

    assert size.complexity <= ANONYMOUS_COMPLEXITY
    assert size.depth <= ANONYMOUS_DEPTH
    assert len(text) < LONGEST_QUERY
