"""Comparison of two commits, along a line and across branches."""

from datetime import timedelta

from fetcher.simulator.comparison import Comparison, compare
from fetcher.simulator.history import Author, Commit, WrittenHistory
from tests.harness.clock import NOW

START = NOW - timedelta(hours=12)
ANN = Author("ann", "Ann", "ann@x.invalid")


def history(*written: str) -> WrittenHistory:
    """Return commits in the order of their dates: ``oid`` is the child of the one before, or ``oid<parent,parent``."""
    commits: list[Commit] = []
    for at, text in enumerate(written):
        oid, _, named = text.partition("<")
        parents = tuple(named.split(",")) if named else tuple(one.oid for one in commits[-1:])
        moment = START + timedelta(minutes=at)
        commits.append(Commit(oid, ANN, moment, moment, parents))
    return WrittenHistory(commits)


def compared(histories: list[WrittenHistory], base: str, head: str) -> Comparison:
    found = compare(histories, base, head)
    assert found is not None
    return found


def test_along_one_line() -> None:
    """Ahead lists the commits since, oldest first; behind and identical list none."""
    line = [history("a", "b", "c", "d")]
    ahead, identical, behind = (compared(line, *pair) for pair in (("b", "d"), ("d", "d"), ("d", "a")))

    assert (ahead.status, [one.oid for one in ahead.ahead], ahead.merge_base.oid) == ("ahead", ["c", "d"], "b")
    assert (identical.status, identical.ahead) == ("identical", ())
    assert (behind.status, behind.ahead, behind.behind_by, behind.merge_base.oid) == ("behind", (), 3, "a")


def test_after_a_forced_push() -> None:
    """An old head that is no longer on the branch diverges; one that GitHub forgot is not found."""
    lines = [history("a", "b", "x", "y"), history("a", "b", "c")]
    diverged = compared(lines, "c", "y")

    assert (diverged.status, diverged.behind_by, diverged.merge_base.oid) == ("diverged", 1, "b")
    assert [one.oid for one in diverged.ahead] == ["x", "y"]
    assert compare(lines[:1], "c", "y") is None
    assert compare([history("a"), history("b")], "a", "b") is None


def test_a_merged_branch_is_new_although_its_dates_are_old() -> None:
    """Commits that the merge added are listed, also those older than the old head; the old head's own are not."""
    merged = [history("a", "side", "b<a", "side-2<side", "c<b", "merge<c,side-2", "d")]
    ahead = compared(merged, "c", "d")
    sideways = compared(merged, "side-2", "c")

    assert (ahead.status, [one.oid for one in ahead.ahead]) == ("ahead", ["side", "side-2", "merge", "d"])
    assert (sideways.status, sideways.behind_by, sideways.merge_base.oid) == ("diverged", 2, "a")
    assert [one.oid for one in sideways.ahead] == ["b", "c"]
