"""Readers of heads and further pages of their histories in GraphQL, and the cursors of all pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from fetcher.domain.model import Commit
from fetcher.domain.outcome import BlockCause, Blocked, Fetched, Gone, Malformed, Overloaded, Throttled, Transient
from fetcher.upstreams.batching import BatchAnswer
from fetcher.upstreams.github.readers.history import NO_COMMITS, Head, Page, next_pages, read_heads, read_pages
from fetcher.upstreams.github.requests import PageRef
from tests.unit.github.recorded import RESET, SPENT, recorded, refusal, response

OID = "0f7a1b8f8c5e2b3d0a9c4d5e6f7a8b9c0d1e2f3a"
PUSHED = datetime(2026, 10, 30, 20, 5, 15, tzinfo=UTC)
HEAD = Head(
    node_id="R_kgDOAC3IcQ",
    repository_id="3000481",
    empty=False,
    pushed_at=PUSHED,
    oid=OID,
    total=523,
    first_page=Page(
        4,
        (
            Commit(OID, "bennylope", date(2026, 10, 30), merge=True),
            Commit("aaaa1" * 8, "dependabot[bot]", date(2026, 10, 28)),
            Commit("aaaa2" * 8, None, date(2026, 10, 2)),
            Commit("aaaa3" * 8, "jezdez", date(2026, 9, 30)),
        ),
        None,
    ),
)
EMPTY = Head("R_kgDOKbknAw", "700000003", True, None, None, 0, NO_COMMITS)
LOST = "Could not resolve to a node with the global id of 'R_kgDOKbknAg'"
NO_RESULT = Overloaded("it did not come back and no error says why")


IDS = ("R_kgDOAC3IcQ", "R_kgDOKbknAg", "R_kgDOKbknAw")


def heads(body: Any, node_ids: Sequence[str] = IDS) -> BatchAnswer[Head]:
    """Read heads from ``body``, which must not be a failure of the full query."""
    batch = read_heads(response(body), node_ids)
    assert isinstance(batch, BatchAnswer)
    return batch


def pages(body: Any, count: int = 4) -> BatchAnswer[Page]:
    """Read pages from ``body``, which must not be a failure of the full query."""
    batch = read_pages(response(body), count)
    assert isinstance(batch, BatchAnswer)
    return batch


def first_head(**changes: Any) -> object:
    """Read the first recorded head with these fields of its history replaced."""
    body = recorded("graphql_heads")
    body["data"]["nodes"][0]["defaultBranchRef"]["target"]["history"] |= changes
    return heads(body).outcomes[0]


def newest(**changes: Any) -> Commit:
    """Read the newest commit of the recorded head with these fields replaced."""
    body = recorded("graphql_heads")
    commits = body["data"]["nodes"][0]["defaultBranchRef"]["target"]["history"]["nodes"]
    commits[0] |= changes
    outcome = heads(body).outcomes[0]
    assert isinstance(outcome, Fetched)
    return outcome.value.first_page.commits[0]


# --- heads --------------------------------------------------------------------------------------------------------


def test_a_batch_of_heads() -> None:
    """A head comes with its newest commits, next to a missing and an empty repository."""
    batch = heads(recorded("graphql_heads"))
    assert batch.outcomes == (Fetched(HEAD), Gone(LOST), Fetched(EMPTY))
    assert batch.seconds == 0.2


def test_a_next_page_is_named_by_its_cursor() -> None:
    """The cursor counts only if there is a next page."""
    info = {"hasNextPage": True, "endCursor": f"{OID} 3"}
    outcome = first_head(totalCount=12, pageInfo=info)
    page = replace(HEAD.first_page, selected=12, after=f"{OID} 3")
    assert outcome == Fetched(replace(HEAD, first_page=page))


def test_merges_are_unknown_without_parents() -> None:
    """If parents were not requested, no commit is a merge."""
    body = recorded("graphql_heads")
    for commit in body["data"]["nodes"][0]["defaultBranchRef"]["target"]["history"]["nodes"]:
        del commit["parents"]
    outcome = heads(body).outcomes[0]
    assert isinstance(outcome, Fetched)
    assert [commit.merge for commit in outcome.value.first_page.commits] == [False] * 4


@pytest.mark.parametrize(("parents", "merge"), [(0, False), (1, False), (2, True), (3, True)])
def test_two_parents_make_a_merge(parents: int, merge: bool) -> None:  # noqa: FBT001
    """A first commit has no parent, and a merge has two or more."""
    assert newest(parents={"totalCount": parents}).merge is merge


@pytest.mark.parametrize(
    ("author", "login"),
    [
        ({"name": "Ann", "user": {"login": "ann"}}, "ann"),
        ({"name": "x[bot]", "user": {"login": "ann"}}, "ann"),
        ({"name": None, "user": {"login": "ann"}}, "ann"),
        ({"user": {"login": "ann"}}, "ann"),
        ({"name": "dependabot[bot]", "user": None}, "dependabot[bot]"),
        ({"name": "dependabot[bot]"}, "dependabot[bot]"),
        ({"name": "dependabot", "user": None}, None),
        ({"name": "[bot] builder", "user": None}, None),
        ({"name": "", "user": None}, None),
        ({"name": None, "user": None}, None),
        ({}, None),
        (None, None),
    ],
)
def test_the_author_of_a_commit(author: object, login: str | None) -> None:
    """The login is the account's; without one, only a name reserved for an App's account counts."""
    assert newest(author=author).login == login


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2026-10-30T23:59:59Z", date(2026, 10, 30)),
        ("2026-10-30T23:59:59-05:00", date(2026, 10, 31)),
        ("2026-10-30T00:30:00+02:00", date(2026, 10, 29)),
        ("1970-01-01T00:00:00Z", date(1970, 1, 1)),
        ("2106-02-07T06:28:15Z", date(2106, 2, 7)),
        ("9999-12-31T23:59:59-05:00", None),
        ("0001-01-01T00:00:00+05:00", None),
        ("0000-01-01T00:00:00Z", None),
        ("292277026596-12-04T15:30:08Z", None),
        ("2026-10-30T23:59:59", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_the_day_of_a_commit(moment: str | None, day: date | None) -> None:
    """The author date gives a UTC day; one outside the calendar gives none and keeps the history."""
    assert newest(authoredDate=moment).authored_on == day


def test_a_commit_that_is_null_is_left_out() -> None:
    """A null among the commits leaves fewer than announced, which shows that one is missing."""
    nodes = recorded("graphql_heads")["data"]["nodes"][0]["defaultBranchRef"]["target"]["history"]["nodes"]
    outcome = first_head(nodes=[nodes[0], None, *nodes[2:]])
    assert isinstance(outcome, Fetched)
    page = outcome.value.first_page
    assert [commit.oid for commit in page.commits] == [OID, "aaaa2" * 8, "aaaa3" * 8]
    assert page.selected == 4


def test_an_old_repository_without_recent_commits() -> None:
    """A head older than a year has a total and no commit in its first page."""
    outcome = first_head(totalCount=0, nodes=[], pageInfo={"hasNextPage": False, "endCursor": None})
    assert outcome == Fetched(replace(HEAD, first_page=NO_COMMITS))


def test_null_without_an_error_is_requested_again() -> None:
    """A repository that is null without an error has no outcome yet."""
    body = recorded("graphql_heads")
    del body["errors"]
    assert heads(body).outcomes[1] == NO_RESULT


def test_a_list_that_is_cut_short_is_requested_again() -> None:
    """Repositories missing at the end of the list are requested again, and those before are read."""
    body = recorded("graphql_heads")
    del body["data"]["nodes"][1:]
    del body["errors"]
    assert heads(body).outcomes == (Fetched(HEAD), NO_RESULT, NO_RESULT)


def test_a_list_with_a_gap_is_read_by_ids() -> None:
    """A repository missing without a word in the middle gets no neighbour's head."""
    body = recorded("graphql_heads")
    del body["data"]["nodes"][1]
    del body["errors"]
    assert heads(body).outcomes == (Fetched(HEAD), NO_RESULT, Fetched(EMPTY))


@pytest.mark.parametrize(
    ("kind", "message", "expected"),
    [
        ("NOT_FOUND", "why", Gone("why")),
        ("FORBIDDEN", "why", Blocked(BlockCause.ACCESS, "why")),
        ("RESOURCE_LIMITS_EXCEEDED", "why", Overloaded("why")),
        (None, "Something went wrong while executing your query", None),
        (None, "why", Transient("why")),
    ],
)
@pytest.mark.parametrize("rest", [[], ["defaultBranchRef", "target", "history", "nodes", 2, "author", "user"]])
def test_an_error_is_about_the_repository_that_its_path_names(
    kind: str | None, message: str, expected: object, rest: list[str | int]
) -> None:
    """An error within a repository makes its part incomplete, and the others stay complete."""
    body = recorded("graphql_heads")
    body["errors"].append({"path": ["nodes", 0, *rest], "message": message, **({"type": kind} if kind else {})})
    outcomes = heads(body).outcomes
    assert outcomes == (expected or Overloaded(message), Gone(LOST), Fetched(EMPTY))


@pytest.mark.parametrize("branch", [None, {"target": None}])
def test_a_branch_without_a_commit_is_not_an_empty_repository(branch: object) -> None:
    """Only ``isEmpty`` means that there is no commit; a tip that is null is temporary."""
    body = recorded("graphql_heads")
    body["data"]["nodes"][0]["defaultBranchRef"] = branch
    assert heads(body).outcomes[0] == Transient("its default branch names no commit at the moment")
    body["data"]["nodes"][0]["isEmpty"] = True
    outcome = heads(body).outcomes[0]
    assert isinstance(outcome, Fetched)
    assert (outcome.value.oid, outcome.value.empty, outcome.value.first_page) == (None, True, NO_COMMITS)


@pytest.mark.parametrize("missing", ["all", "history"])
def test_a_tip_that_is_no_commit_is_malformed(missing: str) -> None:
    """A default branch that names a tag or a tree has no history."""
    body = recorded("graphql_heads")
    del body["data"]["nodes"][0]["defaultBranchRef"]["target"][missing]
    outcome = heads(body).outcomes[0]
    assert outcome == Malformed("the tip of its default branch is no commit")


def test_a_number_that_graphql_cannot_state_is_unknown() -> None:
    """A ``databaseId`` of null leaves the other fields of the head."""
    body = recorded("graphql_heads")
    body["data"]["nodes"][0]["databaseId"] = None
    assert heads(body).outcomes[0] == Fetched(replace(HEAD, repository_id=None))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["id"], None),
        (["databaseId"], 2**63),
        (["isEmpty"], None),
        (["pushedAt"], "yesterday"),
        (["defaultBranchRef"], {}),
        (["defaultBranchRef", "target", "oid"], None),
        (["defaultBranchRef", "target", "all"], {"totalCount": -1}),
        (["defaultBranchRef", "target", "history", "totalCount"], None),
        (["defaultBranchRef", "target", "history", "pageInfo"], None),
        (["defaultBranchRef", "target", "history", "pageInfo", "hasNextPage"], None),
        (["defaultBranchRef", "target", "history", "nodes"], None),
        (["defaultBranchRef", "target", "history", "nodes"], [{}]),
        (["defaultBranchRef", "target", "history", "nodes"], [{"oid": "a"}]),
        (["defaultBranchRef", "target", "history", "nodes"], [{"oid": None, "authoredDate": None}]),
    ],
)
def test_one_wrong_shape_costs_no_neighbour(path: list[str], value: object) -> None:
    """A value of another type is reported with its place, and the other repositories are read."""
    body = recorded("graphql_heads")
    parent = body["data"]["nodes"][0]
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    first, _, third = heads(body).outcomes
    assert isinstance(first, Malformed)
    assert first.reason.startswith(f"repository {IDS[0]}: ")
    assert ".".join(path) in first.reason
    assert third == Fetched(EMPTY)


# --- pages --------------------------------------------------------------------------------------------------------


def test_a_batch_of_pages() -> None:
    """Pages are read by alias: one with a next page, a last one, one of a vanished commit, one missing."""
    batch = pages(recorded("graphql_pages"))
    assert batch.outcomes == (
        Fetched(
            Page(
                203,
                (Commit("bbbb1" * 8, "bennylope", date(2026, 3, 14)), Commit("bbbb2" * 8, None, date(2026, 3, 13))),
                f"{OID} 199",
            )
        ),
        Fetched(Page(203, (Commit("bbbb3" * 8, "github-actions[bot]", date(2025, 12, 24)),), None)),
        Transient("the commit whose history was being read is gone: a forced push"),
        Gone(LOST),
    )
    assert batch.seconds == 0.2


def test_a_page_that_did_not_come_back_is_requested_again() -> None:
    """Neither a null nor a missing alias counts as a page without commits."""
    body = recorded("graphql_pages")
    del body["errors"], body["data"]["r0"]
    outcomes = pages(body, 5).outcomes
    assert [outcomes[number] for number in (0, 3, 4)] == [NO_RESULT] * 3
    assert isinstance(outcomes[1], Fetched)


def test_an_error_within_a_page_spoils_that_page() -> None:
    """A null author next to an error is not an anonymous author."""
    body = recorded("graphql_pages")
    path = ["r1", "object", "history", "nodes", 0, "author", "user"]
    body["errors"].append({"path": path, "message": "why"})
    outcomes = pages(body).outcomes
    assert outcomes[1] == Transient("why")
    assert isinstance(outcomes[0], Fetched)


@pytest.mark.parametrize("node", [{}, {"object": {}}, {"object": {"history": {"totalCount": 1}}}, [], "x"])
def test_a_page_of_another_shape_costs_no_neighbour(node: object) -> None:
    """A node that is no repository, or an object that is no commit, is malformed alone."""
    body = recorded("graphql_pages")
    body["data"]["r0"] = node
    outcomes = pages(body).outcomes
    assert isinstance(outcomes[0], Malformed)
    assert outcomes[0].reason.startswith("repository r0: ")
    assert isinstance(outcomes[1], Fetched)


# --- both ---------------------------------------------------------------------------------------------------------


def test_a_limit_applies_to_the_complete_query() -> None:
    """A limit in the envelope applies to the complete query, even with data."""
    limited = Throttled("no more", reset_at=RESET)
    for name in ("graphql_heads", "graphql_pages"):
        body = {**recorded(name), "errors": [{"type": "RATE_LIMITED", "message": "no more"}]}
        answer = response(body, headers=SPENT)
        assert read_heads(answer, IDS) == limited
        assert read_pages(answer, 4) == limited


def test_a_query_that_is_too_much() -> None:
    """A gateway timeout and an error of the resource limits reduce the batch."""
    slow = {"data": {"nodes": None}, "errors": [{"type": "RESOURCE_LIMITS_EXCEEDED", "message": "too much"}]}
    assert read_heads(response(slow), IDS[:2]) == Overloaded("too much")
    assert isinstance(read_heads(refusal(502, "Bad gateway"), IDS[:2]), Overloaded)
    assert isinstance(read_pages(refusal(504, "Gateway timeout"), 2), Overloaded)


def test_a_query_that_github_refuses() -> None:
    """Data without the list of nodes is malformed, with GitHub's message if there is one."""
    assert read_heads(response({"data": {"viewer": {}}}), IDS[:2]) == Malformed("GraphQL answer without nodes")
    refused = {"data": {"viewer": {}}, "errors": [{"message": "Field 'x' doesn't exist"}]}
    assert read_heads(response(refused), IDS[:2]) == Malformed("GraphQL refuses the query: Field 'x' doesn't exist")
    assert isinstance(read_pages(response({"data": None}), 2), Malformed)


def test_failures_carry_the_request_id() -> None:
    """Each repository's failure has the request id of its response."""
    headers = {"x-github-request-id": "AB12:34"}
    for batch in (
        read_heads(response(recorded("graphql_heads"), headers=headers), IDS),
        read_pages(response(recorded("graphql_pages"), headers=headers), 4),
    ):
        assert isinstance(batch, BatchAnswer)
        (gone,) = (outcome for outcome in batch.outcomes if isinstance(outcome, Gone))
        assert gone.request_id == "AB12:34"


# --- cursors ------------------------------------------------------------------------------------------------------


def long_head(selected: int, *, shown: int = 100, after: str | None = f"{OID} 99", oid: str | None = OID) -> Head:
    """Return a head whose first page shows ``shown`` of ``selected`` commits."""
    commits = tuple(Commit(f"{number:040x}", None, None) for number in range(shown))
    return replace(HEAD, oid=oid, total=selected, first_page=Page(selected, commits, after))


def refs(*places: int) -> list[PageRef]:
    """Return references to the pages after these indexes."""
    return [PageRef(HEAD.node_id, OID, f"{OID} {place}") for place in places]


@pytest.mark.parametrize(
    ("selected", "places"),
    [
        (101, [99]),
        (199, [99]),
        (200, [99]),
        (201, [99, 199]),
        (350, [99, 199, 299]),
        (400, [99, 199, 299]),
        (401, [99, 199, 299, 399]),
    ],
)
def test_cursors_of_githubs_form_lead_to_every_page(selected: int, places: list[int]) -> None:
    """Each page starts after the last commit of the page before, and the last one has the rest."""
    assert next_pages(long_head(selected)) == refs(*places)


def test_pages_are_counted_from_the_first_one() -> None:
    """A first page shorter than requested shifts the cursors of all others."""
    assert next_pages(long_head(260, shown=60, after=f"{OID} 59")) == refs(59, 159)


@pytest.mark.parametrize(
    "cursor", ["Y3Vyc29yOnYyOjk5", f"{OID} 100", f"{OID} 98", f"{'b' * 40} 99", f"{OID} 0099", f"{OID} 99 ", OID]
)
def test_an_opaque_cursor_leads_to_the_next_page_only(cursor: str) -> None:
    """A cursor of another form, commit or index is sent back unchanged."""
    assert next_pages(long_head(350, after=cursor)) == [PageRef(HEAD.node_id, OID, cursor)]


def test_a_null_among_the_commits_makes_cursors_opaque() -> None:
    """A page with a null left out does not show its number of positions."""
    assert next_pages(long_head(350, shown=99)) == refs(99)


def test_a_last_page_leads_nowhere() -> None:
    """Without a next page or without any commit, nothing is requested."""
    assert next_pages(long_head(100, after=None)) == []
    assert next_pages(long_head(350, oid=None)) == []
    assert next_pages(EMPTY) == []
