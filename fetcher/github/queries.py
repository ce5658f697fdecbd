"""The GraphQL documents, checked against GitHub's published schema by ``tests/unit/github/test_queries.py``."""

from __future__ import annotations

from functools import lru_cache

MAX_NODES = 100
"""``nodes(ids:)`` takes no more at once."""

STATISTICS = """fragment Statistics on Repository {
  id
  databaseId
  nameWithOwner
  stargazerCount
  forkCount
  watchers { totalCount }
  description
  isArchived
  isDisabled
  isEmpty
  pushedAt
  defaultBranchRef { name target { oid ... on Commit { committedDate } } }
}
"""

BY_ID = f"query ById($ids: [ID!]!) {{ nodes(ids: $ids) {{ ...Statistics }} }}\n{STATISTICS}"

VIEWER = "query Viewer { viewer { login databaseId } }"


@lru_cache(maxsize=MAX_NODES)
def by_name(count: int) -> str:
    """A document for ``count`` repositories by owner and name: aliases ``r0`` …, variables ``o0``/``n0`` …"""
    variables = ", ".join(f"$o{i}: String!, $n{i}: String!" for i in range(count))
    fields = " ".join(f"r{i}: repository(owner: $o{i}, name: $n{i}) {{ ...Statistics }}" for i in range(count))
    return f"query ByName({variables}) {{ {fields} }}\n{STATISTICS}"
