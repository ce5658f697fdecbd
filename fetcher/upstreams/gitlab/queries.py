"""GraphQL documents. Sources: GitLab's "GraphQL API resources", and the rule of complexity in "GraphQL API limits"."""

from __future__ import annotations

from collections.abc import Collection

MOST_IDS = 100
"""Most projects in a query by id: the page of a connection."""

MOST_PATHS = 50
"""Most projects in a query by path: GitLab refuses more."""

COMMITS = 100
"""Commits in a query about accounts: the page of a connection."""

LAST_COMMIT, DELETION, COMMIT_LIST = "lastCommit", "markedForDeletion", "commits"
LACKED = frozenset({LAST_COMMIT, DELETION, COMMIT_LIST})
"""Fields that older servers do not have. A query about facts is sent again without them."""

_HEAD = "lastCommit { sha committedDate }"
_OLDER_HEAD = "tree { lastCommit { sha committedDate } }"
"""The head on servers without ``Repository.lastCommit``. It costs five times as much complexity."""

_FACTS = """id
      fullPath
      description
      archived
      starCount
      forksCount
      {deletion}
      repository {{ rootRef empty {head} }}"""

_PROJECTS = """query {name}($wanted: {kind}, $first: Int!) {{
  projects({argument}: $wanted, first: $first) {{
    nodes {{
      {fields}
    }}
  }}
}}
"""

ACCOUNTS = f"""query Accounts($ids: [ID!], $ref: String!) {{
  projects(ids: $ids, first: 1) {{
    nodes {{ id repository {{ commits(ref: $ref, first: {COMMITS}) {{ nodes {{ sha author {{ username }} }} }} }} }}
  }}
}}
"""


PROBE = "query Probe { queryComplexity { score limit } }"


def by_id(lacking: Collection[str] = ()) -> str:
    """Return the document for up to 100 projects by global id, without the fields in ``lacking``."""
    return _projects("ProjectsById", "ids", "[ID!]", lacking)


def by_path(lacking: Collection[str] = ()) -> str:
    """Return the document for up to 50 projects by path."""
    return _projects("ProjectsByPath", "fullPaths", "[String!]", lacking)


def _projects(name: str, argument: str, kind: str, lacking: Collection[str]) -> str:
    head = _OLDER_HEAD if LAST_COMMIT in lacking else _HEAD
    fields = _FACTS.format(deletion="" if DELETION in lacking else DELETION, head=head)
    return _PROJECTS.format(name=name, argument=argument, kind=kind, fields=fields)
