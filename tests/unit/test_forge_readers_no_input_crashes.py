"""Forges' readers with random bytes, random JSON and mutated bodies: each input ends in an outcome."""

from __future__ import annotations

import json
from typing import Any, get_args

from hypothesis import given
from hypothesis import strategies as st

from fetcher.domain import outcome
from fetcher.domain.model import Target
from fetcher.http.messages import Response
from fetcher.upstreams.batching import BatchAnswer
from fetcher.upstreams.bitbucket import readers as bitbucket
from fetcher.upstreams.forgejo import readers as forgejo
from fetcher.upstreams.gitlab import readers as gitlab
from tests.harness.examples import examples
from tests.harness.fakes import JSON

TARGET = Target(1, "alpha", "", frozenset(), None, None, None, None)
OUTCOMES = (*get_args(outcome.Failure), outcome.Fetched, outcome.NotModified, outcome.Moved)
REAL: tuple[Any, ...] = (
    {"id": 12, "full_name": "ann/alpha", "stars_count": 3, "updated_at": "2026-03-18T14:00:00+02:00", "mirror": False},
    [{"sha": "a" * 40, "author": {"login": "ann"}}, {"sha": "b" * 40, "author": None}],
    {
        "uuid": "{5137f783-a12b-4958-a614-4a2af63fca20}",
        "full_name": "ann/alpha",
        "description": "text",
        "mainbranch": {"name": "main"},
    },
    {
        "data": {
            "projects": {
                "nodes": [
                    {
                        "id": "gid://gitlab/Project/7",
                        "fullPath": "ann/alpha",
                        "description": None,
                        "archived": False,
                        "starCount": 1,
                        "forksCount": 0,
                        "repository": {
                            "rootRef": "main",
                            "empty": False,
                            "lastCommit": {"sha": "a" * 40, "committedDate": "2026-03-18T14:00:00+02:00"},
                            "commits": {"nodes": [{"sha": "a" * 40, "author": {"username": "ann"}}]},
                        },
                    }
                ]
            }
        },
        "errors": [{"message": "Timeout", "path": ["projects", "nodes", 0], "extensions": {"fieldName": "commits"}}],
    },
    {"id": 12, "path_with_namespace": "ann/alpha", "star_count": 3, "forks_count": 1, "archived": False},
    {"size": 37},
    {"type": "error", "error": {"message": "gone"}, "message": "gone"},
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
statuses = st.integers(100, 599) | st.sampled_from([200, 307, 401, 403, 404, 409, 410, 429, 451, 503])
headers = st.dictionaries(
    st.sampled_from(["content-type", "date", "retry-after", "location"]),
    st.text(max_size=40) | st.sampled_from(["application/json", "3", "Sat, 21 Nov 2026 12:05:00 GMT"]),
)


def read_all(response: Response) -> None:
    """Read ``response`` with every reader."""
    host = "forge.example"
    assert isinstance(gitlab.read_accounts(response, host), (gitlab.Lacking, *OUTCOMES))
    results: list[object] = []
    for batch in (gitlab.read_by_id(response, host, ["7"]), gitlab.read_by_path(response, host, ["ann/alpha"])):
        assert isinstance(batch, (BatchAnswer, gitlab.Lacking, *OUTCOMES))
        results.extend(batch.outcomes if isinstance(batch, BatchAnswer) else [])
    for result in (
        *results,
        gitlab.read_project(response, host),
        forgejo.read_facts(response, host, TARGET),
        forgejo.read_accounts(response, host),
        bitbucket.read_facts(response, host),
        bitbucket.read_total(response, host),
    ):
        assert isinstance(result, OUTCOMES)
        reason = getattr(result, "reason", "")
        assert reason.isprintable()
        assert len(reason) < 400


@given(statuses, headers, st.binary(max_size=200))
@examples(3)
def test_random_bytes(status: int, fields: dict[str, str], body: bytes) -> None:
    """Any status, headers and bytes give an outcome."""
    read_all(Response(status, fields, body))


@given(statuses, json_values)
@examples(3)
def test_random_json(status: int, value: Any) -> None:
    """Any JSON, including NaN and lone surrogates, gives an outcome."""
    read_all(Response(status, JSON, json.dumps(value).encode()))


@given(st.sampled_from(REAL), st.data())
@examples(3)
def test_mutated_bodies(body: Any, data: st.DataObject) -> None:
    """A body with some bytes removed and others inserted gives an outcome."""
    mutated = bytearray(json.dumps(body).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(mutated)))
        end = start + data.draw(st.integers(0, 30))
        inserted = st.binary(max_size=6) | st.sampled_from([b"[" * 9, b"9" * 40, b"\\ud800", b"\\u0000", b"/../"])
        mutated[start:end] = data.draw(inserted)
    read_all(Response(data.draw(statuses), JSON, bytes(mutated)))
