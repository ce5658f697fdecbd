"""Readers of statistics: a batch in one GraphQL response, one repository over REST."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fetcher.domain.model import RepoStats, Validators
from fetcher.domain.outcome import (
    BlockCause,
    Blocked,
    Fetched,
    Gone,
    Malformed,
    NotModified,
    Overloaded,
    Throttled,
    Transient,
    Unauthorized,
)
from fetcher.http.messages import Answer, Fault, NoAnswer
from fetcher.upstreams.batching import BatchAnswer
from fetcher.upstreams.github.readers.statistics import (
    read_by_id,
    read_by_name,
    read_newest_commit,
    read_repository,
    read_viewer,
)
from tests.unit.github.recorded import RESET, SECONDARY, SPENT, recorded, refusal, response

IDS = ("MDEwOlJlcG9zaXRvcnkzMDAwNDgx", "R_kgDOKbknAg", "R_kgDOKbknAw")
PUSHED = datetime(2026, 10, 30, 20, 5, 15, tzinfo=UTC)
HEAD = "0f7a1b8f8c5e2b3d0a9c4d5e6f7a8b9c0d1e2f3a"
ORGANIZATIONS = RepoStats(
    handle=IDS[0],
    repository_id="3000481",
    full_name="bennylope/django-organizations",
    stars=262,
    forks=70,
    watchers=14,
    description=":couple: Multi-user accounts for Django projects",
    archived=False,
    disabled=False,
    empty=False,
    default_branch="master",
    head_oid=HEAD,
    head_committed_at=PUSHED - timedelta(seconds=1),
    pushed_at=PUSHED,
)


def by_id(body: Any) -> BatchAnswer[RepoStats]:
    """Read ``body`` for the recorded ids; it must not be a failure of the complete query."""
    batch = read_by_id(response(body), IDS)
    assert isinstance(batch, BatchAnswer)
    return batch


def test_a_batch_with_a_missing_repository() -> None:
    """A missing repository is gone, the others are fetched with every field, and the response time is kept."""
    batch = by_id(recorded("graphql_by_id"))
    first, missing, empty = batch.outcomes
    assert first == Fetched(ORGANIZATIONS)
    assert missing == Gone("Could not resolve to a node with the global id of 'R_kgDOKbknAg'")
    assert isinstance(empty, Fetched)
    assert (empty.value.empty, empty.value.archived, empty.value.description) == (True, True, "")
    assert (empty.value.head_oid, empty.value.default_branch, empty.value.pushed_at) == (None, None, None)
    assert batch.seconds == 0.2


def test_a_batch_by_name() -> None:
    """Aliases lead each repository, and errors by alias, to their index."""
    batch = read_by_name(response(recorded("graphql_by_name")), 2)
    assert isinstance(batch, BatchAnswer)
    missing, found = batch.outcomes
    assert isinstance(missing, Gone)
    assert isinstance(found, Fetched)
    assert found.value.full_name == "bennylope/django-organizations"


def test_null_without_an_error_is_requested_again() -> None:
    """A truncated response without an error gives no final outcome for the repository."""
    body = recorded("graphql_by_id")
    del body["errors"]
    assert by_id(body).outcomes[1] == Overloaded("it did not come back and no error says why")


def test_a_list_shorter_than_requested_is_requested_again() -> None:
    """Repositories missing at the end of the list are requested again; those before are read."""
    body = recorded("graphql_by_id")
    del body["data"]["nodes"][1:]
    outcomes = by_id(body).outcomes
    assert isinstance(outcomes[0], Fetched)
    assert isinstance(outcomes[2], Overloaded)


def test_a_list_with_a_gap_is_read_by_ids() -> None:
    """A repository missing without a word at the start gets no neighbour's statistics."""
    body = recorded("graphql_by_id")
    del body["data"]["nodes"][0]
    del body["errors"]
    ids = ["R_kgDOKbknAQ", "R_kgDOKbknAg", body["data"]["nodes"][1]["id"]]
    batch = read_by_id(response(body), ids)
    assert isinstance(batch, BatchAnswer)
    assert [type(outcome) for outcome in batch.outcomes] == [Overloaded, Overloaded, Fetched]


def test_an_id_that_comes_back_in_another_form_is_the_same_repository() -> None:
    """A repository requested by its legacy node id is read by index, with the new form of the id."""
    body = recorded("graphql_by_id")
    body["data"]["nodes"][0]["id"] = "R_kgDOAC3IcQ"
    assert by_id(body).outcomes[0] == Fetched(replace(ORGANIZATIONS, handle="R_kgDOAC3IcQ"))


def test_a_number_that_graphql_cannot_state_is_unknown() -> None:
    """A ``databaseId`` of null (the schema's integer has 32 bits) keeps the repository's other fields."""
    body = recorded("graphql_by_id")
    body["data"]["nodes"][0]["databaseId"] = None
    assert by_id(body).outcomes[0] == Fetched(replace(ORGANIZATIONS, repository_id=None))


def test_an_alias_that_is_left_out_is_requested_again() -> None:
    """A repository missing from a response by name has no final outcome."""
    batch = read_by_name(response(recorded("graphql_by_name")), 3)
    assert isinstance(batch, BatchAnswer)
    assert isinstance(batch.outcomes[2], Overloaded)


@pytest.mark.parametrize(
    ("kind", "message", "expected"),
    [
        ("NOT_FOUND", "why", Gone("why")),
        ("FORBIDDEN", "why", Blocked(BlockCause.ACCESS, "why")),
        ("SAML_FAILURE", "why", Blocked(BlockCause.ACCESS, "why")),
        ("INSUFFICIENT_SCOPES", "why", Blocked(BlockCause.ACCESS, "why")),
        ("DMCA", "why", Blocked(BlockCause.LEGAL, "why")),
        (None, "Blocked for a DMCA notice", Blocked(BlockCause.LEGAL, "Blocked for a DMCA notice")),
        ("RESOURCE_LIMITS_EXCEEDED", "why", Overloaded("why")),
        (None, "Timeout on validation of query", Overloaded("Timeout on validation of query")),
        ("SERVICE_UNAVAILABLE", "why", Transient("why")),
        (None, "why", Transient("why")),
    ],
)
def test_errors_by_their_type(kind: str | None, message: str, expected: object) -> None:
    """An error with a path applies to that repository alone, and its type gives the outcome."""
    body = recorded("graphql_by_id")
    body["errors"] = [{"path": ["nodes", 1], "message": message, **({"type": kind} if kind else {})}]
    outcomes = by_id(body).outcomes
    assert outcomes[1] == expected
    assert isinstance(outcomes[0], Fetched)


def test_an_error_within_a_repository_spoils_that_repository() -> None:
    """A branch that is null after an error is not an empty repository."""
    body = recorded("graphql_by_id")
    body["data"]["nodes"][0]["defaultBranchRef"] = None
    body["errors"].append({"path": ["nodes", 0, "defaultBranchRef"], "message": "Something went wrong"})
    assert by_id(body).outcomes[0] == Transient("Something went wrong")


def test_of_several_errors_the_first_counts() -> None:
    """Of two errors for one repository the first counts; errors without a usable path are ignored."""
    body = recorded("graphql_by_id")
    body["errors"] = [
        {"path": ["nodes", 1], "message": "first"},
        {"path": ["nodes", 1, "watchers"], "message": "second"},
        {"path": ["nodes"], "message": "too short"},
        {"path": [], "message": "empty"},
        {"message": "none"},
    ]
    assert by_id(body).outcomes[1] == Transient("first")


@pytest.mark.parametrize(
    ("field", "value", "where"),
    [
        ("stargazerCount", None, "stargazerCount"),
        ("stargazerCount", -1, "stargazerCount"),
        ("forkCount", 2**31, "forkCount"),
        ("databaseId", 2**63, "databaseId"),
        ("watchers", {}, "watchers.totalCount"),
        ("isArchived", "perhaps", "isArchived"),
        ("pushedAt", "yesterday", "pushedAt"),
        ("pushedAt", "2026-10-30T20:05:15", "pushedAt"),
        ("pushedAt", "9999-12-31T23:59:59-05:00", "pushedAt"),
        ("defaultBranchRef", {"name": "main"}, "defaultBranchRef.target"),
        ("nameWithOwner", 7, "nameWithOwner"),
    ],
)
def test_one_wrong_shape_costs_no_neighbour(field: str, value: object, where: str) -> None:
    """A value of another type or range is reported with its place, and the other repositories are fetched."""
    body = recorded("graphql_by_id")
    body["data"]["nodes"][0][field] = value
    first, _, third = by_id(body).outcomes
    assert isinstance(first, Malformed)
    assert first.reason.startswith(f"repository {IDS[0]}: ")
    assert where in first.reason
    assert isinstance(third, Fetched)


def test_moments_come_in_utc_and_text_without_nul() -> None:
    """Times are converted to UTC, and NULs, which PostgreSQL cannot store, are removed."""
    body = recorded("graphql_by_id")
    body["data"]["nodes"][0] |= {"pushedAt": "2026-10-30T15:05:15-05:00", "description": "a\0b"}
    first = by_id(body).outcomes[0]
    assert isinstance(first, Fetched)
    assert (first.value.pushed_at, first.value.description) == (PUSHED, "ab")
    assert first.value.pushed_at is not None
    assert first.value.pushed_at.tzinfo is UTC


@pytest.mark.parametrize("kind", ["RATE_LIMITED", "RATE_LIMIT"])
def test_the_primary_limit_as_http_200(kind: str) -> None:
    """GraphQL reports its primary limit with status 200 and a type; the reset is in the headers."""
    body = {"errors": [{"type": kind, "message": "no more"}]}
    assert read_by_id(response(body, headers=SPENT), IDS) == Throttled("no more", reset_at=RESET)


@pytest.mark.parametrize("kind", ["RATE_LIMITED", "RATE_LIMIT"])
@pytest.mark.parametrize("remaining", ["0", "4"])
def test_the_primary_limit_with_points_left(kind: str, remaining: str) -> None:
    """The reset applies even with points left, because a query can cost more than those."""
    body = {"errors": [{"type": kind, "message": "API rate limit exceeded for user ID 1."}]}
    answer = response(body, headers={"x-ratelimit-remaining": remaining, "x-ratelimit-resource": "graphql"})
    assert read_by_id(answer, IDS) == Throttled("API rate limit exceeded for user ID 1.", reset_at=RESET)


@pytest.mark.parametrize(
    ("message", "headers", "expected"),
    [
        (SECONDARY, {"x-ratelimit-remaining": "4"}, Throttled(SECONDARY)),
        ("abuse detection mechanism", {"x-ratelimit-remaining": "4"}, Throttled("abuse detection mechanism")),
        ("no more", {"retry-after": "9"}, Throttled("no more", retry_after=timedelta(seconds=9))),
        ("no more", {"x-ratelimit-reset": "soon"}, Throttled("no more")),
    ],
)
def test_a_rate_limit_error_that_names_no_reset(message: str, headers: dict[str, str], expected: Throttled) -> None:
    """The rules of a secondary limit apply to its message, to ``retry-after``, and without a readable reset."""
    body = {"errors": [{"type": "RATE_LIMITED", "message": message}]}
    assert read_by_id(response(body, headers=headers), IDS) == expected


def test_a_secondary_limit_as_http_200() -> None:
    """A limit stated only in a message counts, even with data."""
    body = {"data": {"nodes": []}, "errors": [{"message": "You have exceeded a secondary rate limit"}]}
    outcome = read_by_name(response(body, headers={"retry-after": "9"}), 3)
    assert outcome == Throttled("You have exceeded a secondary rate limit", timedelta(seconds=9))


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({"retry-after": "30"}, {"retry_after": timedelta(seconds=30)}),
        ({**SPENT, "retry-after": "30"}, {"retry_after": timedelta(seconds=30)}),
        (SPENT, {"reset_at": RESET}),
        ({}, {}),
    ],
)
@pytest.mark.parametrize("message", [SECONDARY, "You have triggered an abuse detection mechanism."])
def test_a_secondary_limit_as_a_top_level_message(headers: dict[str, str], pause: dict[str, Any], message: str) -> None:
    """Status 200 in REST's error form is a limit: ``retry-after``, then the reset, then no named pause."""
    answer = refusal(200, message, headers)
    assert read_by_id(answer, IDS) == read_by_name(answer, 3) == read_viewer(answer) == Throttled(message, **pause)


@pytest.mark.parametrize("message", ["Problems parsing JSON", "x" * 5_000])
def test_another_top_level_message_is_malformed(message: str) -> None:
    """GitHub's message, cut to a line, is reported if status 200 has REST's error form."""
    outcome = read_by_id(refusal(200, message), IDS)
    assert isinstance(outcome, Malformed)
    assert outcome.reason.startswith(f"GitHub reports an error with status 200: {message[:119]}")
    assert len(outcome.reason) < 170


@pytest.mark.parametrize("message", [None, 5, "", [SECONDARY], {"a": SECONDARY}])
def test_a_top_level_message_that_is_no_text(message: object) -> None:
    """The general reason applies if ``message`` has another type or is empty."""
    outcome = read_by_id(response({"message": message}), IDS)
    assert outcome == Malformed("GraphQL answer without data and without an error")


def test_a_top_level_message_beside_data_is_not_read() -> None:
    """The repositories of a body with data are read, with any other fields present."""
    assert by_id({**recorded("graphql_by_id"), "message": SECONDARY}).outcomes[0] == Fetched(ORGANIZATIONS)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (refusal(502, "Bad gateway"), Overloaded),
        (refusal(504, "Gateway timeout"), Overloaded),
        (NoAnswer(Fault.TIMED_OUT, "slow"), Overloaded),
        (refusal(500, "Oops"), Transient),
        (refusal(503, "Oops"), Transient),
        (NoAnswer(Fault.BROKEN, "cut"), Transient),
        (NoAnswer(Fault.TOO_LARGE, "big"), Malformed),
        (refusal(401, "Bad credentials"), Unauthorized),
        (refusal(403, "You have exceeded a secondary rate limit"), Throttled),
        (refusal(403, "Your account was suspended"), Unauthorized),
        (refusal(451, "Blocked"), Unauthorized),
        (refusal(404, "Not Found"), Malformed),
        (response(b"", 301, {"location": "/elsewhere"}), Malformed),
        (response(b"", 202), Malformed),
        (response(b"", 304), Malformed),
        (response(b"<html>", headers={"content-type": "text/html"}), Malformed),
        (response(b'{"data": {"nodes": ['), Malformed),
        (response([1]), Malformed),
        (response({}), Malformed),
        (response({"data": None}), Malformed),
        (response({"data": {"viewer": None}}), Malformed),
        (response({"data": {"nodes": "many"}}), Malformed),
        (response({"data": None, "errors": [{"message": "Something went wrong while executing"}]}), Overloaded),
        (response({"errors": [{"type": "MAX_NODE_LIMIT_EXCEEDED", "message": "no"}]}), Overloaded),
        (response({"errors": [{"message": "Field 'x' doesn't exist"}]}), Malformed),
        (response({"errors": "many"}), Malformed),
    ],
)
def test_the_complete_query_fails(answer: Answer, expected: type) -> None:
    """A failure of the query makes no repository gone or blocked."""
    assert isinstance(read_by_id(answer, IDS), expected)


def test_a_query_by_name_and_the_viewer_fail_alike() -> None:
    """The same failures reach every GraphQL reader."""
    assert read_by_name(refusal(401, "Bad credentials"), 1) == read_viewer(refusal(401, "Bad credentials"))
    assert isinstance(read_by_name(refusal(404, "Not Found"), 1), Malformed)


def test_the_viewer() -> None:
    """The account behind a token is returned, or the place where its shape differs."""
    found = read_viewer(response(recorded("graphql_viewer")))
    assert isinstance(found, Fetched)
    assert (found.value.login, found.value.database_id) == ("octocat", 583231)
    outcome = read_viewer(response({"data": {"viewer": {"login": None}}}))
    assert isinstance(outcome, Malformed)
    assert outcome.reason.startswith("viewer: ")


def test_a_repository_over_rest() -> None:
    """Stars, forks and real watchers are read with the validators; the head is not included."""
    answer = response(recorded("rest_repository"), headers={"etag": 'W/"1"', "last-modified": "Sat, 1 Nov"})
    outcome = read_repository(answer)
    assert isinstance(outcome, Fetched)
    assert outcome.validators == Validators('W/"1"', "Sat, 1 Nov")
    stats = outcome.value
    assert (stats.stars, stats.forks, stats.watchers) == (262, 70, 14)
    assert (stats.handle, stats.repository_id, stats.head_oid) == (IDS[0], "3000481", None)
    assert stats.default_branch == "master"


def test_a_missing_repository_over_rest() -> None:
    """Outcomes pass through; another shape and a truncated body are malformed."""
    assert read_repository(response(b"", 304)) == NotModified()
    assert isinstance(read_repository(refusal(404, "Not Found")), Gone)
    assert isinstance(read_repository(response({"message": "hello"})), Malformed)
    assert isinstance(read_repository(response(b'{"id": 1, "node_')), Malformed)


def test_a_repository_without_description_or_watchers() -> None:
    """A null description is empty; a list's shape lacks the watchers, which then are unknown, not zero."""
    body = recorded("rest_repository")
    body["description"] = None
    del body["subscribers_count"]
    outcome = read_repository(response(body))
    assert isinstance(outcome, Fetched)
    assert (outcome.value.description, outcome.value.watchers) == ("", None)


def test_the_newest_commit() -> None:
    """The head and its commit date are read; 409 and an empty list are an empty repository."""
    outcome = read_newest_commit(response(recorded("rest_commits")))
    assert isinstance(outcome, Fetched)
    assert outcome.value is not None
    assert outcome.value.sha == "aaaa3" * 8
    assert outcome.value.committed_at == PUSHED - timedelta(seconds=1)
    assert read_newest_commit(refusal(409, "Git Repository is empty.")) == Fetched(None)
    assert read_newest_commit(response([])) == Fetched(None)


def test_a_missing_newest_commit() -> None:
    """Failures pass through, another shape is malformed, and a commit without signatures has no date."""
    assert isinstance(read_newest_commit(refusal(502, "Oops")), Transient)
    assert isinstance(read_newest_commit(NoAnswer(Fault.BROKEN, "cut")), Transient)
    assert isinstance(read_newest_commit(response([{"sha": 1}])), Malformed)
    outcome = read_newest_commit(response([{"sha": "abc", "commit": {"author": None, "committer": None}}]))
    assert isinstance(outcome, Fetched)
    assert outcome.value is not None
    assert outcome.value.committed_at is None


def test_words_are_cut_to_a_printable_line() -> None:
    """GitHub's error message is cut to one line."""
    body = recorded("graphql_by_id")
    body["errors"] = [{"path": ["nodes", 1], "message": "a\nb" + "x" * 5_000}]
    outcome = by_id(body).outcomes[1]
    assert isinstance(outcome, Transient)
    assert outcome.reason == "a b" + "x" * 196 + "…"
