"""Readers with random bytes, random JSON and mutated real responses: each input ends in an outcome."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any, get_args

from hypothesis import given
from hypothesis import strategies as st

from fetcher.domain import outcome
from fetcher.domain.commit_weeks import DAYS_KEPT, commit_days, participation_days, rolling_weeks
from fetcher.domain.model import Commit, RepoStats
from fetcher.http.messages import Answer, Fault, NoAnswer, Response
from fetcher.upstreams.batching import BatchAnswer
from fetcher.upstreams.github.readers.contributors import read_contributors, read_participation
from fetcher.upstreams.github.readers.history import Head, Page, next_pages, read_heads, read_pages
from fetcher.upstreams.github.readers.statistics import (
    read_by_id,
    read_by_name,
    read_newest_commit,
    read_repository,
    read_viewer,
)
from tests.harness.clock import NOW
from tests.harness.examples import examples
from tests.unit.github.recorded import DATA

REAL = [path.read_bytes() for path in sorted(DATA.glob("*.json"))]
IDS = ("MDEwOlJlcG9zaXRvcnkzMDAwNDgx", "R_kgDOKbknAg")
JSON = {"content-type": "application/json"}
OUTCOMES = (
    *get_args(outcome.Failure),
    outcome.Fetched,
    outcome.NotModified,
    outcome.NotReady,
    outcome.Moved,
    BatchAnswer,
)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", 2**31, 2**63, -(2**70), 10**400]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
header_values = st.text(max_size=40) | st.sampled_from(
    ["application/json", "text/html", "3", "²", "9" * 30, "9" * 5_000, "0", '<https://x/?page=2>; rel="next"']
)
headers = st.dictionaries(
    st.sampled_from(
        [
            "content-type",
            "etag",
            "link",
            "location",
            "retry-after",
            "x-ratelimit-limit",
            "x-ratelimit-remaining",
            "x-ratelimit-reset",
        ]
    ),
    header_values,
)
statuses = st.integers(100, 999) | st.sampled_from([200, 301, 401, 403, 429])


def read_all(answer: Answer) -> None:
    """Read ``answer`` with every reader; each returns an outcome whose values the store accepts."""
    for result in (
        read_by_id(answer, IDS),
        read_by_name(answer, 2),
        read_heads(answer, ["a", "b", "c"]),
        read_pages(answer, 3),
        read_viewer(answer),
        read_repository(answer),
        read_newest_commit(answer),
        read_contributors(answer),
        read_participation(answer),
    ):
        assert isinstance(result, OUTCOMES)
        assert len(getattr(result, "reason", "")) < 600
        if isinstance(result, BatchAnswer):
            for one in result.outcomes:
                assert isinstance(one, OUTCOMES)
                if isinstance(one, outcome.Fetched):
                    can_be_used(one.value)
    weeks = read_participation(answer)
    if isinstance(weeks, outcome.Fetched):
        assert rolling_weeks(participation_days(weeks.value, NOW.date()), NOW.date()) == weeks.value


def can_be_used(value: RepoStats | Head | Page) -> None:
    """Check that numbers fit a database's integers, times have a UTC, and weeks follow from commits."""
    match value:
        case RepoStats():
            assert 0 <= value.stars < 2**31
            assert 0 <= value.forks < 2**31
            assert value.repository_id is None or 0 < int(value.repository_id) < 2**63
            for moment in (value.pushed_at, value.head_committed_at):
                assert moment is None or moment.tzinfo is UTC
        case Head():
            assert value.repository_id is None or 0 < int(value.repository_id) < 2**63
            assert value.pushed_at is None or value.pushed_at.tzinfo is UTC
            assert 0 <= value.total < 2**31
            if value.first_page.selected < 10_000:
                assert len(next_pages(value)) <= 100
            can_be_used(value.first_page)
        case Page(commits=commits):
            can_be_counted(commits)


def can_be_counted(commits: tuple[Commit, ...]) -> None:
    """Check that a run of days stays short for any commit dates, and that weeks follow from it."""
    for merges in (True, False):
        days = commit_days(commits, NOW.date(), None, merges=merges)
        assert len(days.counts) <= 2 * DAYS_KEPT + 1
        assert sum(days.counts) <= len(commits)
        assert len(rolling_weeks(days, NOW.date())) == 52


@given(statuses, headers, st.binary(max_size=200))
def test_random_bytes(status: int, fields: dict[str, str], body: bytes) -> None:
    """Any status, headers and bytes give an outcome."""
    read_all(Response(status, fields, body))


@given(st.sampled_from(Fault), st.text(max_size=40))
def test_no_answer_at_all(fault: Fault, reason: str) -> None:
    """Every transport fault gives an outcome in every reader."""
    read_all(NoAnswer(fault, reason))


@given(json_values)
def test_random_json(value: Any) -> None:
    """Any JSON, including NaN and lone surrogates, gives an outcome."""
    read_all(Response(200, JSON, json.dumps(value).encode()))


@given(st.dictionaries(st.sampled_from(["data", "errors", "message"]), json_values))
def test_random_graphql(value: Any) -> None:
    """Any data, errors and message in GraphQL's envelope give an outcome."""
    read_all(Response(200, JSON, json.dumps(value).encode()))


@given(st.sampled_from(REAL), st.data())
@examples(3)
def test_mutated_answers(body: bytes, data: st.DataObject) -> None:
    """A real response with some bytes removed and others inserted gives an outcome."""
    mutated = bytearray(body)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(mutated)))
        end = start + data.draw(st.integers(0, 30))
        mutated[start:end] = data.draw(
            st.binary(max_size=6) | st.sampled_from([b"[" * 9, b"9" * 40, b"\\ud800", b"\\u0000"])
        )
    read_all(Response(200, JSON, bytes(mutated)))


@given(st.sampled_from(REAL), st.data())
@examples(3)
def test_replaced_values(body: bytes, data: st.DataObject) -> None:
    """A real response with one value replaced by any other gives an outcome."""
    parent: Any = {"whole": json.loads(body)}
    full, key = parent, "whole"
    while isinstance(parent[key], dict | list) and parent[key] and data.draw(st.integers(0, 4)):
        parent = parent[key]
        keys = sorted(parent) if isinstance(parent, dict) else range(len(parent))
        key = data.draw(st.sampled_from(keys))
    parent[key] = data.draw(json_values)
    read_all(Response(200, JSON, json.dumps(full["whole"]).encode()))
