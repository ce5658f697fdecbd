"""The invented commits of one package: a function of its recipe, generated when they are read.

A package whose head was committed within the last 52 weeks has a log-normal number of commits in them: the median is
10, the 90th percentile 150, the most 5,000. If it is older than a year, one to four times as many lie further back, and
at least as many as its contributors need. A package whose head is older has only those: one commit for each contributor
and more for the busiest. About 8 % of the commits merge side branches of up to four commits, which overlap in time with
the branch that they are merged into. Committer dates never go back along the branch. One commit in twenty was written
up to a month before it was committed.
"""

import hashlib
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import accumulate
from random import Random
from statistics import NormalDist

from fetcher.simulator.git.objects import sealed
from fetcher.simulator.history import Author, Commit, Tip

MEDIAN_COMMITS, NINETIETH_COMMITS, MOST_COMMITS = 10, 150, 5_000
SPREAD = math.log(NINETIETH_COMMITS / MEDIAN_COMMITS) / NormalDist().inv_cdf(0.9)
"""The standard deviation of the logarithm of a year's commits."""
ALMOST_ALL = 1 - 1e-6
BOTS = ("dependabot[bot]", "pre-commit-ci[bot]", "renovate[bot]")
NAMELESS_COMMITS = 3
"""Commits of each anonymous author."""
ACTIVE = 4
"""One in this number of contributors writes the last year's commits."""
BRANCHING = 0.11
"""The probability that a side branch starts at a commit of the default branch."""
LONGEST_BRANCH, LONGEST_BESIDE = 4, 2
"""Commits of a side branch, and of the default branch until the merge."""
REWRITTEN, MONTH = 0.05, 30 * 86_400
GENERATED_KEPT = 256
"""Histories kept in memory: those of the batches in progress."""


def commits_of_a_year(fraction: float) -> int:
    """Return the quantile ``fraction`` of the number of commits in 52 weeks over the active packages."""
    drawn = MEDIAN_COMMITS * math.exp(SPREAD * NormalDist().inv_cdf(min(fraction, ALMOST_ALL)))
    return min(MOST_COMMITS, max(1, round(drawn)))


@dataclass(frozen=True, slots=True)
class Recipe:
    """The parameters of a generated history."""

    seed: int
    index: int
    contributors: int
    busiest: int
    """Commits of the busiest contributor before the last year."""
    nameless: int
    """Anonymous authors."""
    year: int
    """Commits since ``year_ago``, the head included; 0 if the head is older."""
    older: int
    """The least number of commits before ``year_ago``, unless the package is younger."""
    merging: bool
    """True if the head is a merge commit, provided that there are enough commits for one."""
    created_at: datetime
    head_at: datetime
    year_ago: datetime
    real_ids: bool = True
    """The commits' ids are the hashes of their objects, so the head's needs the others. If False, they are invented."""

    @property
    def total(self) -> int:
        """Return the number of commits, at least two, so that the head has a parent."""
        older = 0 if self.created_at > self.year_ago else max(self.older, sum(self.shares()))
        return max(2, self.year + older)

    def shares(self) -> tuple[int, ...]:
        """Return each author's least number of older commits, the anonymous ones last."""
        return _ranks(self.contributors, self.busiest) + (NAMELESS_COMMITS,) * self.nameless

    @property
    def merged(self) -> bool:
        """Return True if the head is a merge commit."""
        return self.merging and self.total > 3

    @property
    def committed_at(self) -> datetime:
        """Return the committer date of the head."""
        return self.head_at + timedelta(minutes=self.index % 50)


@lru_cache(maxsize=4096)
def _ranks(contributors: int, busiest: int) -> tuple[int, ...]:
    return tuple(max(1, int(busiest / (rank + 1) ** 1.2)) for rank in range(contributors))


class GeneratedHistory:
    """Commits generated at each read, always the same ones; the tip is kept."""

    __slots__ = ("_tip", "count", "recipe")

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.count = recipe.total
        self._tip: Tip | None = None

    @property
    def tip(self) -> Tip:
        if self._tip is None:
            recipe = self.recipe
            oid = self.commits()[-1].oid if recipe.real_ids else _oids(recipe)(0)
            self._tip = Tip(oid, recipe.head_at, recipe.committed_at, 2 if recipe.merged else 1)
        return self._tip

    def commits(self) -> tuple[Commit, ...]:
        return _generate(self.recipe)


def _oids(recipe: Recipe) -> Callable[[int], str]:
    """Return the function from a commit's distance before the head to its invented oid.

    Because the distance is counted from the head, the head's oid does not depend on the number of commits.
    """
    name = hashlib.blake2b(f"{recipe.seed}/{recipe.index}/oid".encode(), digest_size=16).hexdigest()
    offset = int(name[:8], 16)
    return lambda behind: f"{(offset + behind * 2_654_435_761) & 0xFFFFFFFF:08x}{name}"


@lru_cache(maxsize=GENERATED_KEPT)
def _generate(recipe: Recipe) -> tuple[Commit, ...]:
    rng = Random(f"{recipe.seed}/{recipe.index}")  # noqa: S311 - invented commits, not secrets
    committed = _committed(rng, recipe)
    last = len(committed)
    parents = _parents(rng, last + 1, merging=recipe.merged)
    authors = _authors(rng, recipe, last + 1)
    created = int(recipe.created_at.timestamp())
    moment = datetime.fromtimestamp
    dates = []
    for at, second in enumerate(committed):
        written = second - (int(rng.random() * MONTH) if rng.random() < REWRITTEN else at % 50 * 60)
        dates.append((moment(max(created, written), UTC), moment(second, UTC)))
    dates.append((recipe.head_at, recipe.committed_at))
    oid_of = None if recipe.real_ids else _oids(recipe)
    commits: list[Commit] = []
    for at, (authored_at, committed_at) in enumerate(dates):
        before = tuple([commits[parent].oid for parent in parents[at]])
        if oid_of is None:
            commits.append(sealed(authors[at], authored_at, committed_at, before, f"Commit {at}"))
        else:
            commits.append(Commit(oid_of(last - at), authors[at], authored_at, committed_at, before))
    return tuple(commits)


def _committed(rng: Random, recipe: Recipe) -> list[int]:
    """Return the committer dates of all commits but the head, in order, in seconds."""
    created, year_ago, head = (int(one.timestamp()) for one in (recipe.created_at, recipe.year_ago, recipe.head_at))
    recent = min(recipe.total, recipe.year) if created < year_ago else recipe.total
    older = recipe.total - max(1, recent)
    end = min(year_ago, head)
    return _spread(rng, created, end, older) + _spread(rng, max(created, year_ago), head, recent - 1)


def _spread(rng: Random, start: int, end: int, count: int) -> list[int]:
    """Return ``count`` seconds of a span in order."""
    return sorted(start + int(rng.random() * (end - start)) for _ in range(count))


def _parents(rng: Random, total: int, *, merging: bool) -> list[tuple[int, ...]]:
    """Return the places of each commit's parents: a line with side branches.

    The head is a merge if ``merging`` is set, otherwise it is not.
    """
    parents: list[tuple[int, ...]] = [(), *((at - 1,) for at in range(1, total))]
    end = total - 1
    if merging:
        _branch(parents, total - 3, total - 1, {total - 3})
        end = total - 3
    at = 1
    while at < end:
        if rng.random() < BRANCHING:
            beside = rng.randint(0, LONGEST_BESIDE)
            merge = at + rng.randint(1, LONGEST_BRANCH) + beside
            if merge < end:
                _branch(parents, at, merge, set(rng.sample(range(at, merge), merge - at - beside)))
                at = merge
        at += 1
    return parents


def _branch(parents: list[tuple[int, ...]], start: int, merge: int, side: set[int]) -> None:
    """Distribute the commits from ``start`` over two branches, which the commit at ``merge`` joins."""
    ends = [start - 1, start - 1]
    for at in range(start, merge):
        branch = int(at in side)
        parents[at] = (ends[branch],)
        ends[branch] = at
    parents[merge] = (ends[0], ends[1])


def _authors(rng: Random, recipe: Recipe, total: int) -> list[Author]:
    """Return one author a commit: all authors among the older ones, the busiest contributors in the last year."""
    people = [*_accounts(rng, recipe.contributors), *_anonymous(recipe.nameless)]
    recent = min(total, recipe.year)
    older = [author for author, share in zip(people, recipe.shares(), strict=True) for _ in range(share)]
    active = people[: max(1, recipe.contributors // ACTIVE)]
    missing = total - recent - len(older)
    if missing < 0:  # younger than a year: all authors write in it
        older, active, recent, missing = [], people, total, 0
    older += _weighted(rng, people, missing)
    rng.shuffle(older)
    return older + _weighted(rng, active, recent)


def _accounts(rng: Random, count: int) -> Iterable[Author]:
    for rank in range(count):
        login = f"coder-{rng.randrange(100_000)}"
        if rank and rng.random() < 0.02:
            login = rng.choice(BOTS)
        yield Author(login, login.title(), f"{login}@example.invalid")


def _anonymous(count: int) -> Iterable[Author]:
    for number in range(count):
        yield Author(None, f"Nameless {number}", f"nameless-{number}@example.invalid")


def _weighted(rng: Random, people: list[Author], count: int) -> list[Author]:
    """Return ``count`` random choices of the people, the first ones most often."""
    weights = list(accumulate((rank + 1) ** -1.2 for rank in range(len(people))))
    return rng.choices(people, cum_weights=weights, k=count) if count else []
