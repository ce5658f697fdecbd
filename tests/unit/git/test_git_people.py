"""Authors are merged by address, shown by login or name, and counted."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.domain.model import Contribution, Contributors
from fetcher.git.commits import Author, GitCommit
from fetcher.git.people import LONGEST_NAME, contributors, with_new

AT = datetime(2026, 3, 1, tzinfo=UTC)


def commits(*authors: tuple[str, str]) -> list[GitCommit]:
    """Return a commit by each author, with oids in their order."""
    return [GitCommit(f"{n:040}", (), Author(name, address), AT, AT) for n, (name, address) in enumerate(authors)]


def shown(*authors: tuple[str, str], accounts: dict[str, str] | None = None) -> list[tuple[str, int]]:
    return [(one.login, one.commits) for one in contributors(commits(*authors), accounts or {}).people]


def test_two_names_of_one_address_are_one_person() -> None:
    """The most frequent name is shown."""
    assert shown(("Ann", "a@x"), ("Ann", "a@x"), ("A. Smith", "a@x"), ("Bob", "b@x")) == [("Ann", 3), ("Bob", 1)]


def test_one_name_of_two_addresses_is_listed_once() -> None:
    """A list of names has no duplicates."""
    assert shown(("Ann", "a@x"), ("Ann", "a@y"), ("Bob", "b@x")) == [("Ann", 2), ("Bob", 1)]


@pytest.mark.parametrize(
    ("address", "login"),
    [
        ("12345+octo-cat@users.noreply.github.com", "octo-cat"),
        ("octocat@users.noreply.github.com", "octocat"),
        ("49699333+dependabot[bot]@users.noreply.github.com", "dependabot[bot]"),
        ("ann@noreply.codeberg.org", "ann"),
        ("42-ann.b@users.noreply.gitlab.com", "ann.b"),
        ("ann@users.noreply.gitlab.com", "Somebody Else"),
        ("ann@noreply.codeberg.org.evil.example", "Somebody Else"),
    ],
)
def test_a_login_in_an_address_that_a_forge_gave_out(address: str, login: str) -> None:
    """It is shown in place of the name; other addresses show nothing."""
    assert shown(("Somebody Else", address)) == [(login, 1)]


def test_an_account_names_all_commits_of_its_address() -> None:
    """The forge's login of one commit holds for the others with the same address."""
    accounts = {f"{1:040}": "ann-on-the-forge"}
    assert shown(("Ann", "a@x"), ("Ann", "a@x"), ("Bob", "b@x"), accounts=accounts) == [
        ("ann-on-the-forge", 2),
        ("Bob", 1),
    ]


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Doe, Jane", "Doe Jane"),
        ("Jane\nDoe\r\n", "Jane Doe"),
        ("jane@x.example", "jane"),
        ("Jane <jane@x.example>", "Jane jane"),
        ("a\x00b\ud800", "ab�"),
        ("x" * 500, "x" * LONGEST_NAME),
        ("José Ñ.", "José Ñ."),
    ],
)
def test_names_fit_into_documents(name: str, label: str) -> None:
    """Commas, line breaks, addresses and unstorable characters do not reach a list of names."""
    assert shown((name, "a@x")) == [(label, 1)]


def test_an_author_without_a_name_is_left_out() -> None:
    """Nothing of the address is shown in its place."""
    assert shown(("", "secret@x"), ("Bob", "b@x")) == [("Bob", 1)]


def test_new_commits_are_added_to_known_people() -> None:
    """Counts grow, and the order follows."""
    known = Contributors((Contribution("Ann", 3), Contribution("Bob", 2)))
    found = with_new(known, commits(("Bob", "b@x"), ("Bob", "b@x")), {})
    assert found == Contributors((Contribution("Bob", 4), Contribution("Ann", 3)))


def test_an_unknown_author_needs_the_full_history() -> None:
    """The author may be a known person with another name, which only addresses show."""
    known = Contributors((Contribution("Ann", 3),))
    assert with_new(known, commits(("Ann Smith", "a@x")), {}) is None
    assert with_new(known, commits(("", "nameless@x")), {}) == known


@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30))))
def test_any_names_are_listed_once_on_one_line(authors: list[tuple[str, str]]) -> None:
    """No name is empty, repeated, or has a separator or an ``@``."""
    names = [one.login for one in contributors(commits(*authors), {}).people]
    assert len(set(names)) == len(names)
    for name in names:
        assert name == name.strip() != ""
        assert name.isprintable()
        assert not set(name) & set(",;\n@")
