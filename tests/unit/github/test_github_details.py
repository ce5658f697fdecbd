"""Contributors, weekly commits and comparisons, as REST tells them."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from fetcher.github.details import (
    read_commit_activity,
    read_comparison,
    read_contributors,
    read_participation,
)
from fetcher.model import Contribution, NewCommit
from fetcher.outcome import BlockCause, Blocked, Fetched, Gone, Malformed, NotReady, Transient
from tests.unit.github.recorded import recorded, refusal, response

TOO_LARGE = "The history or contributor list is too large to list contributors for this repository via the API."
API = "https://api.github.com/repositories/3000481/contributors"


def test_contributors_with_a_login() -> None:
    """Everybody with a login in the API's order, bots included, the anonymous left out."""
    outcome = read_contributors(response(recorded("rest_contributors")))
    assert isinstance(outcome, Fetched)
    assert outcome.value.people == (
        Contribution("bennylope", 512),
        Contribution("dependabot[bot]", 17),
        Contribution("arteria", 17),
        Contribution("jezdez", 1),
    )
    assert outcome.value.next_page is None


@pytest.mark.parametrize(
    ("link", "page"),
    [
        (f'<{API}?per_page=100&page=2>; rel="next", <{API}?per_page=100&page=5>; rel="last"', 2),
        (f'<{API}?per_page=100&page=1>; rel="prev", <{API}?per_page=100&page=3>; rel="next"', 3),
        (f"<{API}?page=12&per_page=100>; rel=next", 12),
        (f'<{API}?per_page=100&page=2>; title="more"; rel="next"', 2),
        (f'<{API}?per_page=100&page=4>; rel="prev", <{API}?per_page=100&page=1>; rel="first"', None),
        (f'<{API}?per_page=100>; rel="next"', None),
        (f'<{API}?page=two>; rel="next"', None),
        (f'<{API}?page={"9" * 5_000}>; rel="next"', None),
        (f"{API}?page=2; rel=next", None),
        ("<" * 50_000, None),
        ("", None),
    ],
)
def test_the_link_header(link: str, page: int | None) -> None:
    """The next page is read off GitHub's own header, in any order and spelling; nonsense names none."""
    outcome = read_contributors(response([], headers={"link": link}))
    assert isinstance(outcome, Fetched)
    assert outcome.value.next_page == page


def test_contributors_that_are_not_told() -> None:
    """204 is an empty repository; 202 and refusals pass through; a wrong shape is malformed."""
    empty = read_contributors(response(b"", 204))
    assert isinstance(empty, Fetched)
    assert empty.value.people == ()
    assert isinstance(read_contributors(response(b"", 202)), NotReady)
    assert read_contributors(refusal(403, TOO_LARGE)) == Blocked(BlockCause.TOO_LARGE, TOO_LARGE)
    assert isinstance(read_contributors(response({"message": "x"})), Malformed)
    assert isinstance(read_contributors(response([{"login": "a"}])), Malformed)
    assert isinstance(read_contributors(response([{"login": "a", "contributions": 2**40}])), Malformed)


def test_commit_activity_by_day() -> None:
    """The 52 Sunday weeks become one contiguous run of days."""
    outcome = read_commit_activity(response(recorded("rest_commit_activity")))
    assert isinstance(outcome, Fetched)
    days = outcome.value
    assert days.start == date(2024, 11, 24)
    assert days.start.isoweekday() == 7
    assert len(days.counts) == 364
    assert days.counts[:7] == (0, 1, 0, 0, 2, 0, 0)
    assert sum(days.counts) == 33
    assert days.end == date(2025, 11, 23)


def test_commit_activity_with_a_gap_is_malformed() -> None:
    """Weeks that do not follow each other cannot be laid out by day."""
    weeks = recorded("rest_commit_activity")
    weeks[3]["week"] += 7 * 86_400
    outcome = read_commit_activity(response(weeks))
    assert outcome == Malformed("commit activity: the weeks do not follow each other")


@pytest.mark.parametrize("count", [0, 1, 51])
def test_commit_activity_cut_short_is_malformed(count: int) -> None:
    """Fewer than the documented 52 weeks would show the rest of the year as idle."""
    outcome = read_commit_activity(response(recorded("rest_commit_activity")[:count]))
    assert outcome == Malformed(f"commit activity: expected 52 weeks, got {count}")


@pytest.mark.parametrize("week", [-1, 2**32, 10**30, "soon", None])
def test_commit_activity_outside_the_calendar_is_malformed(week: object) -> None:
    """A week's time that no calendar has ends in an outcome."""
    weeks = recorded("rest_commit_activity")
    weeks[0]["week"] = week
    assert isinstance(read_commit_activity(response(weeks)), Malformed)


def test_commit_activity_that_is_not_told() -> None:
    """202 changes nothing; a week of six days and another shape are malformed."""
    assert isinstance(read_commit_activity(response(b"", 202)), NotReady)
    assert isinstance(read_commit_activity(response(b"", 204)), NotReady)
    weeks = recorded("rest_commit_activity")
    weeks[0]["days"].pop()
    assert isinstance(read_commit_activity(response(weeks)), Malformed)
    assert isinstance(read_commit_activity(response({})), Malformed)


def test_participation() -> None:
    """Everybody's 52 weeks; 202, other lengths and other shapes tell nothing."""
    outcome = read_participation(response(recorded("rest_participation")))
    assert isinstance(outcome, Fetched)
    assert len(outcome.value) == 52
    assert outcome.value[0] == 3
    assert isinstance(read_participation(response(b"", 202)), NotReady)
    for count in (1, 51, 53):
        outcome = read_participation(response({"all": [1] * count}))
        assert outcome == Malformed(f"participation: expected 52 weeks, got {count}")
    assert isinstance(read_participation(response({"all": [-1] * 52})), Malformed)


def test_participation_of_an_empty_repository() -> None:
    """Read GitHub's empty lists as 52 weeks without a commit."""
    assert read_participation(response({"all": [], "owner": []})) == Fetched((0,) * 52)


def test_a_comparison() -> None:
    """Each new commit with its author, its author date's UTC day and whether it is a merge; patches are not read."""
    outcome = read_comparison(response(recorded("rest_compare")))
    assert isinstance(outcome, Fetched)
    assert (outcome.value.status, outcome.value.total) == ("ahead", 3)
    assert outcome.value.commits == (
        NewCommit("aaaa1" * 8, "bennylope", date(2026, 10, 2), merge=False),
        NewCommit("aaaa2" * 8, None, date(2026, 10, 30), merge=False),
        NewCommit("aaaa3" * 8, "bennylope", date(2026, 10, 30), merge=True),
    )


def test_a_comparison_with_a_commit_without_a_date() -> None:
    """A commit of an unknown day leaves the comparison without commits, so that nothing is derived from it."""
    body = recorded("rest_compare")
    body["commits"][1]["commit"]["author"] = None
    outcome = read_comparison(response(body))
    assert isinstance(outcome, Fetched)
    assert outcome.value.commits is None


def test_a_comparison_at_the_end_of_the_calendar() -> None:
    """A date that has no UTC is another shape, not a crash: authors date their commits as they like."""
    body = recorded("rest_compare")
    for moment in ("9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+05:00"):
        body["commits"][0]["commit"]["author"]["date"] = moment
        outcome = read_comparison(response(body))
        assert isinstance(outcome, Malformed)
        assert "commits.0.commit.author.date" in outcome.reason
    body["commits"][0]["commit"]["author"]["date"] = datetime(2099, 1, 1, tzinfo=UTC).isoformat()
    assert isinstance(read_comparison(response(body)), Fetched)


def test_a_comparison_that_is_not_told() -> None:
    """A vanished head is gone, a diff that takes too long a fault that passes, another shape malformed."""
    assert isinstance(read_comparison(refusal(404, "Not Found")), Gone)
    assert isinstance(read_comparison(refusal(500, "this diff is taking too long to generate")), Transient)
    assert isinstance(read_comparison(response({"status": "ahead"})), Malformed)
