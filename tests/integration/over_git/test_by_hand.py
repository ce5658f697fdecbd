"""Refreshes by hand, and the states between claims, of repositories that are read over git."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fetcher.domain.commit_weeks import rolling_weeks
from fetcher.domain.model import OutcomeKind, Source
from tests.harness.git_histories import ANN, BOB, Pen, weeks_of
from tests.harness.git_server import GitServer, Repository
from tests.harness.over_git import OverGit

HOUR = timedelta(hours=1)


def fetches(server: GitServer) -> list[bytes]:
    """Return the bodies of the requests for commits since the last call."""
    found = [body for _, _, body in server.requests if b"command=fetch" in body]
    server.requests.clear()
    return found


@pytest.fixture
def pen(git: OverGit, server: GitServer) -> Pen:
    """Write a history of three commits, and import its package."""
    made = Pen(Repository.create(server.root / "alpha"))
    for number in range(3):
        made.commit(ANN, git.clock.now() - timedelta(days=30 - number))
    git.add("alpha")
    return made


def is_right(git: OverGit, pen: Pen) -> None:
    """Check head, date of the last commit and weeks against git's own."""
    package, today = git.get("alpha"), git.clock.now().date()
    assert package.stats is not None
    assert package.stats.head_oid == pen.repository.head
    stamp = int(pen.repository.git("log", "-1", "--format=%ct"))
    assert package.observed.last_updated is not None
    assert package.observed.last_updated.timestamp() == stamp
    assert package.commit_days is not None
    assert list(rolling_weeks(package.commit_days, today)) == weeks_of(pen.repository, today)


async def test_a_first_refresh_by_hand(git: OverGit, pen: Pen, server: GitServer) -> None:
    """One claim brings everything: the details need no values from the store."""
    report = await git.by_hand("alpha")
    assert not report.failed
    assert len(fetches(server)) == 1
    is_right(git, pen)
    assert git.get("alpha").observed.last_fetched == git.clock.now()


async def test_a_moved_head_by_hand(git: OverGit, pen: Pen, server: GitServer) -> None:
    """The first claim has no stored lists: it dates the head, and the second claim reads the new commits."""
    await git.by_hand("alpha")
    fetches(server)
    git.tomorrow()
    pen.commit(BOB, git.clock.now() - HOUR)
    pen.commit(ANN, git.clock.now() - HOUR)
    await git.by_hand("alpha")
    dated, new, *again = fetches(server)
    assert b"deepen 1" in dated
    assert b"have " in new
    assert len(again) == 1  # Bob is not known yet: the full history shows whether he has another name
    is_right(git, pen)
    assert git.get("alpha").observed.participants == ("Ann", "Bob Ö.")


async def test_one_source_by_hand(git: OverGit, pen: Pen, server: GitServer) -> None:
    """Commits alone are read at the stored head."""
    await git.by_hand("alpha")
    fetches(server)
    await git.by_hand("alpha", [Source.COMMITS])
    assert git.state("alpha", Source.COMMITS).outcome is OutcomeKind.FETCHED
    is_right(git, pen)


async def test_an_unchanged_head_costs_one_request(git: OverGit, pen: Pen, server: GitServer) -> None:
    """Nothing is fetched while the head stays."""
    await git.work()
    server.requests.clear()
    git.tomorrow()
    await git.work()
    assert [(method, path) for method, path, _ in server.requests] == [("POST", "/alpha/git-upload-pack")]
    assert git.get("alpha").observed.last_fetched == git.clock.now()


async def test_the_slow_recheck_reads_the_full_history(git: OverGit, pen: Pen, server: GitServer) -> None:
    """After the re-check interval, people and weeks are counted from all commits again."""
    await git.work()
    fetches(server)
    git.tomorrow(50)
    await git.work()
    assert [body for body in fetches(server) if b"have " not in body and b"deepen" not in body]
    is_right(git, pen)


async def test_a_repository_that_comes_back(git: OverGit, pen: Pen, server: GitServer) -> None:
    """While it is missing, the values stay; afterwards it continues where it was."""
    await git.work()
    hidden = pen.repository.path.rename(server.root / "hidden")
    git.tomorrow()
    await git.work()
    assert git.state("alpha", Source.REPOSITORY).outcome is OutcomeKind.GONE
    assert git.get("alpha").observed.participants == ("Ann",)
    pen.repository.path = hidden.rename(server.root / "alpha")
    pen.commit(ANN, git.clock.now())
    git.tomorrow(3)
    await git.work()
    is_right(git, pen)


async def test_a_repository_becomes_empty(git: OverGit, pen: Pen) -> None:
    """Weeks and people of a repository whose branches were deleted are zero and none."""
    await git.work()
    pen.repository.git("update-ref", "-d", "refs/heads/main")
    git.tomorrow()
    await git.work()
    package = git.get("alpha")
    assert package.stats is not None
    assert package.stats.empty
    assert package.observed.participants == ()
    assert package.commit_days is not None
    assert sum(package.commit_days.counts) == 0


async def test_a_missing_default_branch_keeps_the_known_head(git: OverGit, pen: Pen) -> None:
    """A repository with other branches is not empty: the known head and its values stay."""
    await git.work()
    pen.repository.git("branch", "-m", "main", "trunk")
    pen.repository.git("symbolic-ref", "HEAD", "refs/heads/main")
    git.tomorrow()
    await git.work()
    package = git.get("alpha")
    assert package.stats is not None
    assert not package.stats.empty
    assert package.observed.participants == ("Ann",)
    assert package.observed.last_updated is not None


async def test_details_that_fail_are_tried_again_at_the_new_head(git: OverGit, pen: Pen, server: GitServer) -> None:
    """A fetch that fails cools down alone: the new head is stored, and its details follow."""
    await git.work()
    git.tomorrow()
    pen.commit(ANN, git.clock.now())
    server.broken = lambda body: b"command=fetch" in body and b"deepen 1" not in body
    await git.work()
    assert git.state("alpha", Source.COMMITS).failures == 1
    package = git.get("alpha")
    assert package.stats is not None
    assert package.stats.head_oid == pen.repository.head
    assert package.observed.participants == ("Ann",)
    server.broken = lambda body: False
    git.clock.advance(timedelta(minutes=3))
    await git.work()
    is_right(git, pen)


async def test_a_history_that_fails_repeatedly(git: OverGit, pen: Pen, server: GitServer) -> None:
    """After three failures a year is read instead; the people that were known stay."""
    await git.work()
    pen.reset(pen.commit(BOB, git.clock.now() - timedelta(days=2), parents=[]))
    git.tomorrow()
    server.broken = lambda body: b"command=fetch" in body and b"deepen" not in body
    for _ in range(5):
        await git.work()
        git.clock.advance(timedelta(hours=1))
    is_right(git, pen)
    assert git.get("alpha").observed.participants == ("Ann",)
    state = git.state("alpha", Source.CONTRIBUTORS)
    assert (state.outcome, state.failures) == (OutcomeKind.BLOCKED, 0)
    assert "failed repeatedly" in (state.message or "")
