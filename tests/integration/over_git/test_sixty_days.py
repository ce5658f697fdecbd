"""Weeks and people of evolving histories equal git's own figures, every day for 60 days."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest

from fetcher.domain.commit_weeks import rolling_weeks
from tests.harness.git_histories import ANN, BOB, CYD, Pen, people_of, weeks_of
from tests.harness.git_server import GitServer, Repository
from tests.harness.over_git import OverGit

DAYS = 60
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

Growth = Iterator[None]
"""A history that adds a day's commits each time it is advanced."""


def steady(pen: Pen, now: Callable[[], datetime]) -> Growth:
    """Grow by a commit or two a day, in many time zones, some with an author date long before the commit."""
    for number in range(200):
        pen.commit((ANN, BOB, CYD)[number % 3], now() - (700 - 3 * number) * DAY)
    for day in range(DAYS):
        pen.commit(ANN, now() - HOUR, zone="+1345")
        if day % 3 == 0:
            pen.commit(BOB, now() - 20 * DAY, now() - HOUR, zone="-1130")
        yield


def merging(pen: Pen, now: Callable[[], datetime]) -> Growth:
    """Grow by merges of branches, some of them with commits that are months older than the head."""
    base = pen.commit(ANN, now() - 300 * DAY)
    old = pen.commit(CYD, now() - 290 * DAY, parents=[base], branch="old")
    for day in range(DAYS):
        head = pen.commit(ANN, now() - 2 * HOUR)
        if day % 5 == 4:
            for number in range(4):
                old = pen.commit(CYD, now() - (250 - number) * DAY, branch="old", parents=[old])
            pen.commit(BOB, now() - HOUR, parents=[head, old])
        yield


def rewritten(pen: Pen, now: Callable[[], datetime]) -> Growth:
    """Grow, and lose commits by forced pushes: they stay on the server until a clean-up."""
    kept = pen.commit(ANN, now() - 100 * DAY)
    for day in range(DAYS):
        pen.commit(BOB, now() - HOUR)
        if day % 7 == 6:
            pen.reset(kept)
            kept = pen.commit(CYD, now() - 2 * HOUR)
        if day % 14 == 13:
            pen.repository.git("reflog", "expire", "--expire=now", "--all")
            pen.repository.git("gc", "--quiet", "--prune=now")
        yield


def skewed(pen: Pen, now: Callable[[], datetime]) -> Growth:
    """Grow on machines with wrong clocks: years behind, and days ahead."""
    for number in range(30):
        pen.commit(ANN, now() - (200 - number) * DAY)
    for day in range(DAYS):
        pen.commit(BOB, now() - HOUR, now() - (3000 * DAY if day % 4 == 0 else HOUR))
        pen.commit(CYD, now() + (5 * DAY if day % 6 == 0 else -HOUR))
        yield


def renamed(pen: Pen, now: Callable[[], datetime]) -> Growth:
    """Grow by new people, by people with two names, and by a person with two addresses."""
    pen.commit(ANN, now() - 400 * DAY)
    for day in range(DAYS):
        pen.commit(ANN, now() - HOUR)
        if day % 4 == 0:
            pen.commit((f"Person {day}", f"person{day}@x.example"), now() - 2 * HOUR)
        if day % 9 == 0:
            pen.commit(("Ann Married", ANN[1]), now() - HOUR)
            pen.commit((ANN[0], "ann@work.example"), now() - HOUR)
        yield


def dormant(pen: Pen, now: Callable[[], datetime]) -> Growth:
    """Stay without a commit for more than a year, and wake on the 31st day."""
    pen.commit(ANN, now() - 900 * DAY)
    pen.commit(BOB, now() - 500 * DAY)
    for day in range(DAYS):
        if day == 30:
            pen.commit(CYD, now() - HOUR)
        yield


HISTORIES = {one.__name__: one for one in (steady, merging, rewritten, skewed, renamed, dormant)}


@pytest.mark.slow
@pytest.mark.parametrize("name", HISTORIES)
async def test_weeks_and_people_equal_gits(name: str, git: OverGit, server: GitServer) -> None:
    """Weeks are those of `git log` on each of 60 days, people those of its authors merged by address."""
    object_format = "sha256" if name == "renamed" else "sha1"
    repository = Repository.create(server.root / name, object_format=object_format)
    growth = HISTORIES[name](Pen(repository), git.clock.now)
    git.add(name)
    for _ in growth:
        assert not [report.failed for report in await git.work() if report.failed]
        package = git.get(name)
        today = git.clock.now().date()
        assert package.commit_days is not None
        assert list(rolling_weeks(package.commit_days, today)) == weeks_of(repository, today)
        assert package.commit_days.total == int(repository.git("rev-list", "--count", "HEAD"))
        assert list(package.observed.participants or ()) == [label for label, _ in people_of(repository)]
        assert package.stats is not None
        assert package.stats.head_oid == repository.head
        git.tomorrow()


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in HISTORIES if name != "skewed"])
async def test_weeks_of_a_year_alone_equal_gits(name: str, git: OverGit, server: GitServer) -> None:
    """Weeks are right as well where only a year's commits are read: here, the host cannot leave out files.

    A commit whose clock is years behind hides the commits before it, in git's own selection by date as well.
    """
    repository = Repository.create(server.root / name)
    repository.git("config", "uploadpack.allowFilter", "false")
    growth = HISTORIES[name](Pen(repository), git.clock.now)
    git.add(name)
    for _ in growth:
        assert not [report.failed for report in await git.work() if report.failed]
        package = git.get(name)
        today = git.clock.now().date()
        assert package.commit_days is not None
        assert list(rolling_weeks(package.commit_days, today)) == weeks_of(repository, today)
        assert package.stats is not None
        assert package.stats.head_oid == repository.head
        assert package.observed.last_updated is not None
        git.tomorrow()
    bodies = [body for _, _, body in server.requests if b"command=fetch" in body]
    assert all(b"deepen" in body for body in bodies)
