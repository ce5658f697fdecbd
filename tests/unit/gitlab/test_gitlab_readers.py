"""Readers of GitLab's responses that the simulator does not send: partial errors, proxies, odd headers."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fetcher.domain.outcome import Blocked, Fetched, Gone, Malformed, Overloaded, Throttled, Transient, Unauthorized
from fetcher.http.messages import Fault, NoAnswer, Response
from fetcher.upstreams.batching import BatchAnswer
from fetcher.upstreams.gitlab.readers import Lacking, read_accounts, read_by_id, read_by_path, read_project

HOST = "gitlab.example"
ALPHA: dict[str, Any] = {
    "id": "gid://gitlab/Project/7",
    "fullPath": "Group/Alpha",
    "description": None,
    "archived": False,
    "starCount": 1,
    "forksCount": 0,
    "markedForDeletion": False,
    "repository": {"rootRef": "main", "empty": False, "lastCommit": {"sha": "a" * 40, "committedDate": None}},
}


def answer(body: Any, status: int = 200, **headers: str) -> Response:
    """Return a response with JSON, or with plain text for a text."""
    kind = "text/plain" if isinstance(body, str) else "application/json; charset=utf-8"
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return Response(
        status, {"content-type": kind, **{name.replace("_", "-"): text for name, text in headers.items()}}, content
    )


def nodes(*given: Any, errors: Any = None) -> Response:
    return answer({"data": {"projects": {"nodes": list(given)}}} | ({"errors": errors} if errors else {}))


def one(response: Response, wanted: str = "7") -> Any:
    """Return the outcome of one project requested by number."""
    batch = read_by_id(response, HOST, [wanted])
    assert isinstance(batch, BatchAnswer)
    return batch.outcomes[0]


def test_a_path_is_found_in_any_case_and_a_number_by_itself() -> None:
    """The order of the nodes states nothing."""
    beta = {**ALPHA, "id": "gid://gitlab/Project/8", "fullPath": "group/beta"}
    by_path = read_by_path(nodes(beta, ALPHA), HOST, ["group/ALPHA", "group/beta", "group/gone"])
    by_id = read_by_id(nodes(beta, None, ALPHA), HOST, ["7", "8", "9"])

    for batch in (by_path, by_id):
        assert isinstance(batch, BatchAnswer)
        names = [found.value.full_name if isinstance(found, Fetched) else None for found in batch.outcomes]
        assert names == ["Group/Alpha", "group/beta", None]
        assert isinstance(batch.outcomes[2], Gone)


def test_a_project_without_a_readable_repository_leaves_the_head_to_git() -> None:
    """Members-only repositories of public projects are null without an error."""
    found = one(nodes({**ALPHA, "repository": None}))

    assert isinstance(found, Fetched)
    assert (found.value.empty, found.value.head_oid, found.value.default_branch) == (None, None, None)


def test_an_error_inside_one_project_fails_that_one() -> None:
    """The null in its place has no meaning, and the others are read."""
    beta = {**ALPHA, "id": "gid://gitlab/Project/8", "repository": None}
    errors = [{"message": "Gitaly is unavailable", "path": ["projects", "nodes", 1, "repository", "lastCommit"]}]
    batch = read_by_id(nodes(ALPHA, beta, errors=errors), HOST, ["7", "8"])

    assert isinstance(batch, BatchAnswer)
    assert isinstance(batch.outcomes[0], Fetched)
    assert batch.outcomes[1] == Transient("GraphQL reports an error: Gitaly is unavailable")


def test_an_absent_project_beside_a_timeout_is_not_gone() -> None:
    """An error without a place may be the reason why projects did not come back."""
    found = one(nodes(errors=[{"message": "Timeout on Project.starCount"}]))

    assert found == Overloaded("Timeout on Project.starCount")


def test_a_malformed_project_fails_alone() -> None:
    """A number where a text belongs is reported with the project's path."""
    found = one(nodes({**ALPHA, "starCount": "many"}))

    assert isinstance(found, Malformed)
    assert found.reason.startswith("project Group/Alpha: ")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"errors": [{"message": "Query has complexity of 301, which exceeds max complexity of 200"}]}, Overloaded),
        ({"errors": [{"message": "Query has depth of 16, which exceeds max depth of 15"}]}, Overloaded),
        ({"errors": [{"message": "Query too large"}]}, Overloaded),
        ({"errors": [{"message": "Unexpected end of document"}]}, Malformed),
        ({"data": {"projects": None}, "errors": [{"message": "Timeout on Query.projects"}]}, Overloaded),
        ({"data": None}, Malformed),
        ({"data": {"projects": {"nodes": 3}}}, Malformed),
        ([], Malformed),
    ],
)
def test_failures_of_the_query(body: Any, expected: type) -> None:
    """A query that is too expensive is halved; any other refusal is a fault of the program."""
    assert isinstance(read_by_id(answer(body), HOST, ["7"]), expected)


@pytest.mark.parametrize("extensions", [{"code": "undefinedField", "fieldName": "lastCommit"}, None])
def test_an_unknown_field_is_named(extensions: Any) -> None:
    """Older servers state it in the message alone."""
    error = {"message": "Field 'lastCommit' doesn't exist on type 'Repository'", "extensions": extensions}

    assert read_by_id(answer({"errors": [error]}), HOST, ["7"]) == Lacking("lastCommit")


def test_a_field_that_is_always_requested_cannot_lack() -> None:
    """Without it there is nothing to store, so the query is refused."""
    error = {"message": "Field 'starCount' doesn't exist on type 'Project'"}

    assert isinstance(read_by_id(answer({"errors": [error]}), HOST, ["7"]), Malformed)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (answer("Retry later\n", 429, retry_after="30"), Throttled),
        (answer("Forbidden\n", 403), Throttled),
        (answer({"errors": [{"message": "Invalid token"}]}, 401), Unauthorized),
        (answer({"error": "insufficient_scope", "error_description": "…"}, 403), Unauthorized),
        (answer({"message": "404 Not Found"}, 404), Malformed),
        (answer("<html>", 404), Malformed),
        (answer("<html>sign in</html>"), Malformed),
        (answer("", 302, location="/users/sign_in"), Malformed),
        (answer("Bad gateway", 502), Overloaded),
        (answer("Down", 503), Transient),
        (NoAnswer(Fault.TIMED_OUT, "no response in 30 s"), Overloaded),
        (NoAnswer(Fault.BROKEN, "reset"), Transient),
    ],
)
def test_statuses_of_graphql(response: Response | NoAnswer, expected: type) -> None:
    """A status concerns the complete query: none of them makes a project missing."""
    assert isinstance(read_by_id(response, HOST, ["7"]), expected)


def test_the_reset_of_a_limit_is_read_from_the_headers() -> None:
    """Without ``Retry-After`` the pause lasts until the reset; an unreadable one leaves it to the ledger."""
    reset = datetime(2026, 11, 21, 12, tzinfo=UTC)
    told = read_by_id(answer("Retry later", 429, ratelimit_reset=str(int(reset.timestamp()))), HOST, ["7"])
    wrong = read_by_id(answer("Retry later", 429, ratelimit_reset="soon"), HOST, ["7"])
    after = read_by_id(answer("Retry later", 429, retry_after="9", ratelimit_reset="1"), HOST, ["7"])

    assert isinstance(told, Throttled)
    assert isinstance(wrong, Throttled)
    assert isinstance(after, Throttled)
    assert (told.reset_at, wrong.reset_at, after.retry_after) == (reset, None, timedelta(seconds=9))


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (answer({"message": "404 Project Not Found"}, 404), Gone),
        (answer({"message": "403 Forbidden"}, 403), Blocked),
        (answer({"message": "451 Unavailable"}, 451), Blocked),
        (answer("Forbidden", 403), Throttled),
        (answer("not here", 404), Malformed),
        (answer({"id": 0, "path_with_namespace": "a/b", "star_count": 1}), Malformed),
    ],
)
def test_statuses_of_rest(response: Response, expected: type) -> None:
    """Only the API's own 404 makes a project missing: that of a proxy concerns the host."""
    assert isinstance(read_project(response, HOST), expected)


def test_commits_without_accounts() -> None:
    """A null commit, author, repository or project names no account."""
    commits = [{"sha": "a" * 40, "author": {"username": "ann"}}, {"sha": "b" * 40, "author": None}, None]
    listed = nodes({"repository": {"commits": {"nodes": commits}}}, {"repository": None}, None)

    assert read_accounts(listed, HOST) == Fetched({"a" * 40: "ann"})
    assert read_accounts(nodes(), HOST) == Fetched({})
    assert isinstance(read_accounts(nodes({"repository": {"commits": {"nodes": [{"sha": 3}]}}}), HOST), Malformed)
    assert isinstance(read_accounts(answer("Retry later", 429, retry_after="9"), HOST), Throttled)
