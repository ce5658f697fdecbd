"""GraphQL documents, checked against GitHub's published schema by ``tests/unit/github/test_queries.py``."""

from __future__ import annotations

from functools import lru_cache

MAX_NODES = 100
"""Maximum number of ids in ``nodes(ids:)``."""

PAGE_SIZE = 100
"""Commits per page of a history: the maximum of a connection."""

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

_PAGE = """fragment Page on CommitHistoryConnection {{
  totalCount
  pageInfo {{ hasNextPage endCursor }}
  nodes {{ oid authoredDate author {{ name user {{ login }} }}{parents} }}
}}
"""

_HEADS = f"""query Heads($ids: [ID!]!, $since: GitTimestamp!) {{
  nodes(ids: $ids) {{
    ... on Repository {{
      id
      databaseId
      isEmpty
      pushedAt
      defaultBranchRef {{
        target {{
          oid
          ... on Commit {{
            all: history {{ totalCount }}
            history(first: {PAGE_SIZE}, since: $since) {{ ...Page }}
          }}
        }}
      }}
    }}
  }}
}}
"""


@lru_cache(maxsize=MAX_NODES)
def by_name(count: int) -> str:
    """Return a document for ``count`` repositories by owner and name.

    Aliases are ``r0`` …, variables ``o0``/``n0`` ….
    """
    variables = ", ".join(f"$o{i}: String!, $n{i}: String!" for i in range(count))
    fields = " ".join(f"r{i}: repository(owner: $o{i}, name: $n{i}) {{ ...Statistics }}" for i in range(count))
    return f"query ByName({variables}) {{ {fields} }}\n{STATISTICS}"


@lru_cache(maxsize=2)
def heads(*, parents: bool) -> str:
    """Return a document for the heads of up to 100 repositories, each with the first page of its history.

    A repository costs two connections, a fiftieth of a point. With ``parents``, which identify merges, each commit
    costs one more.
    """
    return _HEADS + _page(parents=parents)


@lru_cache(maxsize=2 * MAX_NODES)
def pages(count: int, *, parents: bool) -> str:
    """Return a document for ``count`` further pages of histories: variables ``i0`` (node id), ``h0`` (head), ``a0``."""
    variables = "".join(f", $i{i}: ID!, $h{i}: GitObjectID!, $a{i}: String!" for i in range(count))
    page = f"history(first: {PAGE_SIZE}, since: $since, after: $a%d) {{ ...Page }}"
    fields = " ".join(
        f"r{i}: node(id: $i{i}) {{ ... on Repository {{ object(oid: $h{i}) {{ ... on Commit {{ {page % i} }} }} }} }}"
        for i in range(count)
    )
    return f"query Pages($since: GitTimestamp!{variables}) {{ {fields} }}\n{_page(parents=parents)}"


def _page(*, parents: bool) -> str:
    return _PAGE.format(parents=" parents { totalCount }" if parents else "")
