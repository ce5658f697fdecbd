"""The invariants under every fault: nothing lost, nothing wrong, nothing blanked, no limit exceeded.

The simulator's world is the reference. The oracle keeps the states of each package's repository and project, and
compares a stored field with all of them. The field may be late. It must equal one of the states, and it must never go
back. Weeks are compared completely, including the oldest one.

Contributors have one exception. GitHub's list may be hours old. For a day after a forced push, or after two
contributors have reached equal counts, all known and all new contributors are listed. While a fault lasts,
``participants`` therefore belongs to a moment if

1. no contributor of that moment is missing,
2. each listed one contributed at that moment or an earlier one, and is listed once, and
3. two contributors who were both listed before that moment have the order that they had at every moment until then, if
   that order was constant.

Two intervals after the fault's end the list must be exactly GitHub's response, in its order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import combinations
from typing import Any
from zoneinfo import ZoneInfo

from fetcher.catalogue.documents import write_document
from fetcher.simulator import truth
from fetcher.simulator.history import contributors
from fetcher.simulator.journal import Journal
from fetcher.simulator.project import Project
from fetcher.simulator.repository import Repository
from fetcher.simulator.world import World
from fetcher.store import SqlStore

Facts = dict[str, Any]

ZONE = ZoneInfo("UTC")
_KEPT = 5
"""Number of states that are kept for a package, more than a store can be behind."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A package's repository and project at one moment. Both are immutable."""

    repository: Repository | None
    project: Project | None
    merges: bool = True
    """Whether GitHub's participation counted merges."""
    _facts: dict[date, Facts] = field(default_factory=dict, compare=False, repr=False)

    def facts(self, today: date) -> Facts:
        """Return the fields of a document of that moment, as of ``today``."""
        if today not in self._facts:
            self._facts[today] = self._read(today)
        return self._facts[today]

    def contributions(self) -> dict[str, int]:
        """Return the number of commits of each contributor at that moment, in the order of GitHub's list."""
        if self.repository is None:
            return {}
        accounts, _ = contributors(self.repository.history.commits())
        return {str(one.author.login): one.contributions for one in accounts}

    def _read(self, today: date) -> Facts:
        facts: Facts = {}
        if self.repository is not None:
            current = truth.of_repository(self.repository, today)
            facts = {
                "repo_watchers": current["stars"],
                "repo_forks": current["forks"],
                "repo_description": current["description"] or "",
                "participants": current["contributors"],
                "weeks": current["participation" if self.merges else "participation_without_merges"],
                "head": current["head"],
            }
        if self.project is not None:
            facts["pypi_version"] = truth.of_project(self.project)["latest"]
        return facts


def stored_facts(store: SqlStore, slug: str, today: date) -> Facts:
    """Return the stored fields of a package as of ``today``, with the same keys as ``Moment.facts``."""
    package = store.packages.get(slug)
    assert package is not None, slug
    document = write_document(package, ZONE, today)
    names = ("repo_watchers", "repo_forks", "repo_description", "participants", "pypi_version")
    return {
        **{name: document[name] for name in names},
        "weeks": document["commits_over_52"],
        "head": package.stats.head_oid if package.stats else None,
    }


@dataclass(slots=True)
class Oracle:
    """The states of every package upstream, and the stored values at the last check."""

    world: World
    store: SqlStore
    names: Mapping[str, tuple[str, str]]
    """By slug, the names of the repository and of the project."""
    moments: dict[str, list[Moment]] = field(default_factory=dict)
    usurped: set[str] = field(default_factory=set)
    """Slugs whose names lead to another repository. Its current state is not a state of theirs."""
    merges: bool = True
    """Whether GitHub's participation counts merges now."""
    _seen: dict[str, Facts] = field(default_factory=dict)

    def note(self) -> None:
        """Record the current state of everything upstream."""
        for slug, (repository, project) in self.names.items():
            if slug in self.usurped:
                continue
            now = Moment(self.world.repository(repository), self.world.project(project), self.merges)
            known = self.moments.setdefault(slug, [])
            if not known or known[-1] != now:
                known.append(now)
                del known[:-_KEPT]

    def wrong(self) -> dict[str, str]:
        """Return the reason by slug for stored values that were never correct, went back, or were blanked."""
        return {slug: why for slug, stored in self._stored().items() if (why := self._complaint(slug, stored))}

    def not_current(self) -> dict[str, str]:
        """Return the field by slug for stored values that differ from the current state upstream."""
        return {slug: why for slug, stored in self._stored().items() if (why := self._behind(slug, stored))}

    def mismatches(self) -> dict[str, str]:
        """Return both, after a fault: a value that equals the current state upstream cannot be wrong."""
        found: dict[str, str] = {}
        for slug, stored in self._stored().items():
            behind = self._behind(slug, stored)
            if behind is not None:
                found[slug] = self._complaint(slug, stored) or behind
            self._seen[slug] = stored
        return found

    def _stored(self) -> dict[str, Facts]:
        today = self.world.clock.today()
        return {slug: stored_facts(self.store, slug, today) for slug in self.names}

    def _behind(self, slug: str, stored: Facts) -> str | None:
        current = self.moments[slug][-1].facts(self.world.clock.today())
        different = [name for name, value in current.items() if stored[name] != value]
        return f"{different[0]}: {stored[different[0]]!r} instead of {current[different[0]]!r}" if different else None

    def _complaint(self, slug: str, stored: Facts) -> str | None:
        """Return the reason that a stored value is wrong, and record the values for the next comparison."""
        seen, self._seen[slug] = self._seen.get(slug, {}), stored
        today = self.world.clock.today()
        moments = self.moments[slug]
        past = [moment.facts(today) for moment in moments]
        for name, value in stored.items():
            before = seen.get(name)
            if value in (None, "", []):
                if before not in (None, "", []) and all(name in facts and facts[name] != value for facts in past):
                    return f"{name} was blanked"
                continue
            if name == "participants":
                times, earlier = moments_of(value, moments), moments_of(before or (), moments)
            else:
                times = [number for number, facts in enumerate(past) if facts.get(name) == value]
                earlier = [number for number, facts in enumerate(past) if facts.get(name) == before]
            if not times:
                return f"{name} is {value!r}, which was never so"
            if before is not None and earlier and times[-1] < earlier[0]:
                return f"{name} went back from {before!r} to {value!r}"
        return None


def moments_of(people: Sequence[str], moments: Sequence[Moment]) -> list[int]:
    """Return the numbers of the moments that a list of contributors may belong to, by the rules of this module."""
    counts = [moment.contributions() for moment in moments]
    return [number for number in range(len(moments)) if may_be_listed(people, counts[: number + 1])]


def may_be_listed(people: Sequence[str], until: Sequence[Mapping[str, int]]) -> bool:
    """Return whether ``people`` may be listed at the last of the moments ``until``: contributions by login."""
    listed, before = set(people), until[:-1]
    if len(listed) < len(people) or not until[-1].keys() <= listed <= set().union(*until):
        return False
    known = [login for login in people if any(login in counts for counts in before)]
    return not any(_stood_behind(one, other, until) for one, other in combinations(known, 2))


def _stood_behind(one: str, other: str, until: Sequence[Mapping[str, int]]) -> bool:
    """Return whether ``one`` had fewer commits than ``other`` at every moment at which both had any."""
    both = [(counts[one], counts[other]) for counts in until if one in counts and other in counts]
    return bool(both) and all(own < others for own, others in both)


def violations(log: Journal, *, expected: Sequence[str] = ()) -> list[str]:
    """Return the exceeded limits and the requests during a pause, by the simulator's own log."""
    summary = log.summary()
    found = [f"{name}: {count}" for name, count in summary["limits_tripped"].items() if name not in expected]
    if summary["asked_while_told_to_wait"]:
        found.append(f"requested during a pause: {summary['asked_while_told_to_wait']}")
    return found
