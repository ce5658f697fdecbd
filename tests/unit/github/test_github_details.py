"""Readers of contributors and participation over REST."""

from __future__ import annotations

import pytest

from fetcher.domain.model import Contribution
from fetcher.domain.outcome import BlockCause, Blocked, Fetched, Malformed, NotReady
from fetcher.upstreams.github.readers.contributors import read_contributors, read_participation
from tests.unit.github.recorded import recorded, refusal, response

TOO_LARGE = "The history or contributor list is too large to list contributors for this repository via the API."
API = "https://api.github.com/repositories/3000481/contributors"


def test_contributors_with_a_login() -> None:
    """All contributors with a login come in the API's order, including bots and excluding anonymous ones."""
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
    """The next page is read from GitHub's header in any order and form; an invalid header names none."""
    outcome = read_contributors(response([], headers={"link": link}))
    assert isinstance(outcome, Fetched)
    assert outcome.value.next_page == page


def test_contributors_that_are_missing() -> None:
    """Status 204 is an empty repository; 202 and refusals pass through; another shape is malformed."""
    empty = read_contributors(response(b"", 204))
    assert isinstance(empty, Fetched)
    assert empty.value.people == ()
    assert isinstance(read_contributors(response(b"", 202)), NotReady)
    assert read_contributors(refusal(403, TOO_LARGE)) == Blocked(BlockCause.TOO_LARGE, TOO_LARGE)
    assert isinstance(read_contributors(response({"message": "x"})), Malformed)
    assert isinstance(read_contributors(response([{"login": "a"}])), Malformed)
    assert isinstance(read_contributors(response([{"login": "a", "contributions": 2**40}])), Malformed)


def test_participation() -> None:
    """The 52 weeks of all authors are read; 202, other lengths and other shapes give no values."""
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
    """GitHub's empty lists are 52 weeks without a commit."""
    assert read_participation(response({"all": [], "owner": []})) == Fetched((0,) * 52)
