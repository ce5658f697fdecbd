"""Histories written by ``git fast-import``, and git's own figures about them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tests.harness.git_server import Repository

ANN, BOB, CYD = ("Ann", "ann@first.example"), ("Bob Ö.", "bob@second.example"), ("Cyd", "cyd@third.example")


@dataclass
class Pen:
    """A writer of commits to one repository."""

    repository: Repository
    branch: str = "main"

    def commit(
        self,
        author: tuple[str, str],
        authored_at: datetime,
        committed_at: datetime | None = None,
        parents: Sequence[str] | None = None,
        branch: str | None = None,
        zone: str = "+0000",
    ) -> str:
        """Add a commit to ``branch`` and return its oid; ``parents`` replaces the branch's tip."""
        name = branch or self.branch
        reference = f"refs/heads/{name}"
        if parents is None:
            tip = self.tip(name)
            parents = [tip] if tip else []
        written, stamp = committed_at or authored_at, f"{author[0]} <{author[1]}>"
        lines = [f"commit {reference}", "mark :1"]
        lines += [f"author {stamp} {int(authored_at.timestamp())} {zone}"]
        lines += [f"committer {stamp} {int(written.timestamp())} {zone}", "data 4", "work"]
        lines += [f"{'merge' if index else 'from'} {oid}" for index, oid in enumerate(parents)]
        # A commit without parents on an existing branch is written beside it, as in a history that starts again.
        reset = [f"reset {reference}", ""] if not parents else []
        file = ["M 100644 inline file", f"data {len(stamp.encode())}", stamp, ""]
        self.repository.fast_import("\n".join([*reset, *lines, *file, ""]).encode())
        tip = self.tip(name)
        assert tip is not None
        return tip

    def tip(self, branch: str | None = None) -> str | None:
        """Return the oid at the tip of a branch, or ``None``."""
        found = self.repository.git("for-each-ref", "--format=%(objectname)", f"refs/heads/{branch or self.branch}")
        return found.strip() or None

    def reset(self, oid: str, branch: str | None = None) -> None:
        """Move a branch to another commit, as a forced push does."""
        self.repository.git("update-ref", f"refs/heads/{branch or self.branch}", oid)


def weeks_of(repository: Repository, today: date) -> list[int]:
    """Return the commits of 52 weeks of seven days before ``today`` by author date in UTC, by ``git log``."""
    arguments = ["log", "--date=format-local:%Y-%m-%d", "--format=%ad", "HEAD"]
    days = Counter(repository.git(*arguments, env={"TZ": "UTC"}).split())
    first = today - timedelta(weeks=52)
    return [sum(days[(first + timedelta(days=7 * week + day)).isoformat()] for day in range(7)) for week in range(52)]


def people_of(repository: Repository) -> list[tuple[str, int]]:
    """Return the authors with their commits, merged by address and named by their most frequent name."""
    names: dict[str, Counter[str]] = defaultdict(Counter)
    for line in repository.git("log", "--format=%ae%x00%an", "HEAD").splitlines():
        address, name = line.split("\x00")
        names[address.lower()][name] += 1
    people: Counter[str] = Counter()
    for counted in names.values():
        people[max(counted, key=lambda name: counted[name])] += counted.total()
    return sorted(people.items(), key=lambda item: (-item[1], item[0].casefold()))
