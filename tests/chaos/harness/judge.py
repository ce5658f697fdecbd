"""What must hold whatever happens: nothing lost, nothing wrong, nothing blanked, no limit broken.

The simulator's world is the truth. Every state that a package's repository and project ever had is kept, so that a
stored field can be compared with all of them: it may be late, it must never be anything that was not so, and it must
never go back. Weeks are compared whole, the oldest one included.

Contributors have one exception. GitHub's list may be hours old, so for a day after a forced push, or after two people
have drawn level, everybody known and everybody new is listed. While a fault lasts, ``participants`` is therefore of a
moment if

1. nobody who had contributed at that moment is missing,
2. nobody is listed who had not contributed at that moment or an earlier one, and nobody twice, and
3. of two people who were both listed before that moment, nobody stands behind the other who stood before the other at
   every moment until then.

Two intervals after the fault's end the list must be exactly what GitHub answers, in its order.
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
"""States of a package that are remembered: more than a store can be behind."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A package's repository and project as they were at one moment; neither is ever altered, only replaced."""

    repository: Repository | None
    project: Project | None
    merges: bool = True
    """Whether GitHub's participation counted merges."""
    _facts: dict[date, Facts] = field(default_factory=dict, compare=False, repr=False)

    def facts(self, today: date) -> Facts:
        """What a document of that moment would say today."""
        if today not in self._facts:
            self._facts[today] = self._told(today)
        return self._facts[today]

    def contributions(self) -> dict[str, int]:
        """Return how many commits each contributor had at that moment, in the order of GitHub's list."""
        if self.repository is None:
            return {}
        accounts, _ = contributors(self.repository.history.commits())
        return {str(one.author.login): one.contributions for one in accounts}

    def _told(self, today: date) -> Facts:
        facts: Facts = {}
        if self.repository is not None:
            told = truth.of_repository(self.repository, today)
            facts = {
                "repo_watchers": told["stars"],
                "repo_forks": told["forks"],
                "repo_description": told["description"] or "",
                "participants": told["contributors"],
                "weeks": told["participation" if self.merges else "participation_without_merges"],
                "head": told["head"],
            }
        if self.project is not None:
            facts["pypi_version"] = truth.of_project(self.project)["latest"]
        return facts


def stored_facts(store: SqlStore, slug: str, today: date) -> Facts:
    """What the store would print of a package today, in the same words."""
    package = store.package(slug)
    assert package is not None, slug
    document = write_document(package, ZONE, today)
    names = ("repo_watchers", "repo_forks", "repo_description", "participants", "pypi_version")
    return {
        **{name: document[name] for name in names},
        "weeks": document["commits_over_52"],
        "head": package.stats.head_oid if package.stats else None,
    }


@dataclass(slots=True)
class Judge:
    """Remembers every state of every package, and what was stored when it last looked."""

    world: World
    store: SqlStore
    names: Mapping[str, tuple[str, str]]
    """By slug, the names of the repository and of the project."""
    moments: dict[str, list[Moment]] = field(default_factory=dict)
    usurped: set[str] = field(default_factory=set)
    """Slugs whose names lead to something that is not theirs: what is there now is not a state of theirs."""
    merges: bool = True
    """Whether GitHub's participation counts merges now."""
    _seen: dict[str, Facts] = field(default_factory=dict)

    def note(self) -> None:
        """Remember how everything is upstream now."""
        for slug, (repository, project) in self.names.items():
            if slug in self.usurped:
                continue
            now = Moment(self.world.repository(repository), self.world.project(project), self.merges)
            known = self.moments.setdefault(slug, [])
            if not known or known[-1] != now:
                known.append(now)
                del known[:-_KEPT]

    def wrong(self) -> dict[str, str]:
        """What is stored but never was so, went back to an older state, or was blanked; by slug, why."""
        return {slug: why for slug, stored in self._stored().items() if (why := self._complaint(slug, stored))}

    def not_current(self) -> dict[str, str]:
        """What is stored but is not what asking everything whole would say now; by slug, the field."""
        return {slug: why for slug, stored in self._stored().items() if (why := self._behind(slug, stored))}

    def amiss(self) -> dict[str, str]:
        """Both, where everything ought to be as it is upstream: what is, cannot be wrong."""
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
        told = self.moments[slug][-1].facts(self.world.clock.today())
        different = [name for name, value in told.items() if stored[name] != value]
        return f"{different[0]}: {stored[different[0]]!r} instead of {told[different[0]]!r}" if different else None

    def _complaint(self, slug: str, stored: Facts) -> str | None:
        """And what is stored is remembered, to tell the next time whether it went back."""
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
    """Return the numbers of the moments of which a list of contributors may be, by the three rules of this module."""
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
    """Limits of the upstream that were broken, and requests sent while told to wait, by the simulator's own log."""
    summary = log.summary()
    found = [f"{name}: {count}" for name, count in summary["limits_tripped"].items() if name not in expected]
    if summary["asked_while_told_to_wait"]:
        found.append(f"asked while told to wait: {summary['asked_while_told_to_wait']}")
    return found
