"""Evidence that received commits are all that were requested."""

from __future__ import annotations

from datetime import UTC, datetime

from fetcher.git.commits import Author, GitCommit
from fetcher.git.histories import History

AT = datetime(2026, 3, 1, tzinfo=UTC)


def history(head: str, shallow: str = "", **parents: str) -> History:
    """Return a history by the parents of its commits; each letter is an oid."""
    commits = [GitCommit(oid, tuple(above), Author("Ann", "a@x"), AT, AT) for oid, above in parents.items()]
    return History.of(head, commits, frozenset(shallow))


def test_a_full_history() -> None:
    """Every parent is there, and nothing was cut."""
    assert history("c", c="b", b="a", a="").is_whole
    assert not history("c", c="b", b="a").is_whole
    assert not history("c", shallow="b", c="b", b="a").is_whole
    assert not history("d", c="b", b="a", a="").is_whole


def test_a_recent_history() -> None:
    """Only parents of cut commits are missing; a response without commits is one, too."""
    assert history("c", shallow="b", c="b", b="a").is_recent
    assert not history("c", shallow="x", c="b", b="a").is_recent
    assert history("c").is_recent


def test_a_continued_history() -> None:
    """The old head is a parent that was not sent; after a forced push it is not."""
    assert history("d", d="c", c="b").continues("b")
    assert history("d", d="cb", c="a").continues("b")
    assert not history("d", d="c", c="a").continues("b")
    assert not history("d", d="c", c="b", b="").continues("b")
    assert not history("d", shallow="c", d="c", c="b").continues("b")
    assert not history("e", d="c", c="b").continues("b")


def test_commits_behind_a_cut_merge() -> None:
    """All parents of a merge are cut if one of them is too old: they are named until they are there."""
    found = history("d", shallow="dc", d="cx", c="b")
    assert found.beyond_merges == {"x"}
    assert found.with_more(history("x", shallow="x", x="w")).beyond_merges == set()


def test_commits_that_do_not_lead_to_the_head() -> None:
    """They do not count."""
    found = history("c", c="b", b="a", z="c")
    assert set(found.reachable().commits) == {"c", "b"}
    assert found.committed_at == AT
    assert history("q", c="b").committed_at is None
