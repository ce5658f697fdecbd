"""Any number of invented packages, each a function of (seed, number): nothing is kept until it is asked for.

The spreads are those of a real directory: a long tail of contributors (2 % above 100, a few above 200, so that pages
matter), 40 % with commits in the last year, merges, anonymous authors and bots, and some of everything odd:
empty and archived repositories, yanked, pre-release-only and unparsable versions.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from random import Random

from fetcher.simulator.clock import midnight
from fetcher.simulator.history import Author, Commit, History, Tip, WrittenHistory
from fetcher.simulator.project import Project, ProjectStatus, Release
from fetcher.simulator.repository import Repository

FIRST_REPOSITORY_ID = 700_000_000
FIRST_SERIAL = 20_000_000
WORDS = ("forms", "auth", "cache", "tables", "admin", "search", "media", "rest", "tags", "tasks")
BOTS = ("dependabot[bot]", "pre-commit-ci[bot]", "renovate[bot]")
LANGUAGES = ("Python", "Python", "Python", "JavaScript", "HTML", None)
LICENSES = ("MIT", "BSD-3-Clause", "Apache-2.0", None)
MOST_CONTRIBUTORS = 300
YEAR = timedelta(days=364)


def _digest(seed: int, index: int, part: str) -> bytes:
    return hashlib.blake2b(f"{seed}/{index}/{part}".encode(), digest_size=32).digest()


def _oid(seed: int, index: int, behind_head: int) -> str:
    """Counted back from the head, so that the head's is known before the number of commits is."""
    return hashlib.sha1(f"{seed}/{index}/{behind_head}".encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a generated history is made from."""

    seed: int
    index: int
    contributors: int
    created_at: datetime
    head_at: datetime
    year_ago: datetime

    @property
    def committed_at(self) -> datetime:
        return self.head_at + timedelta(minutes=self.index % 50)


class GeneratedHistory:
    """Commits made anew, always the same, whenever somebody reads them."""

    __slots__ = ("recipe",)

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe

    @property
    def tip(self) -> Tip:
        recipe = self.recipe
        return Tip(_oid(recipe.seed, recipe.index, 0), recipe.head_at, recipe.committed_at, 1)

    @property
    def count(self) -> int:
        return len(_generate(self.recipe))

    def commits(self) -> tuple[Commit, ...]:
        return _generate(self.recipe)


@lru_cache(maxsize=512)
def _generate(recipe: Recipe) -> tuple[Commit, ...]:
    rng = Random(f"{recipe.seed}/{recipe.index}")  # noqa: S311 - invented commits, not secrets
    authors = _authors(rng, recipe.contributors)
    dates = _dates(rng, recipe, len(authors))
    last = len(authors) - 1
    commits: list[Commit] = []
    parent: tuple[str, ...] = ()
    for at, (author, authored_at) in enumerate(zip(authors, dates, strict=True)):
        oid = _oid(recipe.seed, recipe.index, last - at)
        if 0 < at < last and rng.random() < 0.08:
            parent = (*parent, _oid(recipe.seed, recipe.index, -1 - at))
        committed_at = recipe.committed_at if at == last else authored_at + timedelta(minutes=at % 50)
        commits.append(Commit(oid, author, authored_at, committed_at, parent))
        parent = (oid,)
    return tuple(commits)


def _authors(rng: Random, contributors: int) -> list[Author]:
    """One author a commit, in the order of the branch; at least two commits, so that the head has a parent."""
    busiest = rng.randint(3, 60)
    authors: list[Author] = []
    for rank in range(contributors):
        login = f"coder-{rng.randrange(100_000)}"
        if rank and rng.random() < 0.02:
            login = rng.choice(BOTS)
        count = max(1, int(busiest / (rank + 1) ** 1.2))
        authors += [Author(login, login.title(), f"{login}@example.invalid")] * count
    if not contributors or rng.random() < 0.1:
        for number in range(rng.randint(1, 3)):
            authors += [Author(None, f"Nameless {number}", f"nameless-{number}@example.invalid")] * rng.randint(2, 4)
    rng.shuffle(authors)
    return authors if len(authors) > 1 else authors * 2


def _dates(rng: Random, recipe: Recipe, count: int) -> list[datetime]:
    """Author dates in order, the last one the head's; about a third in the last year if the head is."""
    life = int((recipe.head_at - recipe.created_at).total_seconds())
    recent = int((recipe.head_at - recipe.year_ago).total_seconds())
    ages = []
    for _ in range(count - 1):
        span = recent if recent > 0 and rng.random() < 0.33 else life
        ages.append(rng.randrange(span))
    return [recipe.head_at - timedelta(seconds=age) for age in sorted(ages, reverse=True)] + [recipe.head_at]


class SyntheticCatalogue:
    """``count`` packages of one seed, seen from one day; repositories and projects are made when asked for."""

    def __init__(self, count: int, seed: int, now: datetime) -> None:
        self.count = count
        self.seed = seed
        self._now = midnight(now.date())

    def repository_ids(self) -> range:
        return range(FIRST_REPOSITORY_ID, FIRST_REPOSITORY_ID + self.count)

    def repository_id(self, full_name: str) -> int | None:
        """The number of the repository with this name, whatever its case."""
        index = self._index(full_name)
        if index is None or self.full_name(index) != full_name.lower():
            return None
        return FIRST_REPOSITORY_ID + index

    def _index(self, name: str) -> int | None:
        digits = name.rpartition("-")[2]
        if not digits.isascii() or not digits.isdigit():
            return None
        index = int(digits)
        return index if index < self.count else None

    @staticmethod
    def full_name(index: int) -> str:
        return f"studio-{index * 7919 % 997}/{SyntheticCatalogue.project_name(index)}"

    @staticmethod
    def project_name(index: int) -> str:
        return f"sim-{WORDS[index % len(WORDS)]}-{index}"

    def repository(self, database_id: int) -> Repository | None:
        index = database_id - FIRST_REPOSITORY_ID
        if not 0 <= index < self.count:
            return None
        raw = _digest(self.seed, index, "repository")
        head_at = self._now - self._age(raw)
        created_at = head_at - timedelta(days=200 + int.from_bytes(raw[8:10], "big") % 4000)
        stars = int(2 / _unit(raw[10:14]) ** 0.8)
        owner, _, name = self.full_name(index).partition("/")
        return Repository(
            database_id=database_id,
            owner=owner,
            name=name,
            created_at=created_at,
            pushed_at=head_at + timedelta(hours=1),
            description=f"Invented package number {index}" if raw[14] > 12 else None,
            stars=stars,
            forks=stars // (2 + raw[15] % 9),
            subscribers=1 + stars // 20,
            archived=raw[16] < 8,
            language=LANGUAGES[raw[17] % len(LANGUAGES)],
            license=LICENSES[raw[18] % len(LICENSES)],
            default_branch="main" if raw[19] < 128 else "master",
            history=self._history(index, raw, created_at, head_at),
        )

    def _history(self, index: int, raw: bytes, created_at: datetime, head_at: datetime) -> History:
        if raw[20:22] < b"\x00\x80":  # one in 512 is empty
            return WrittenHistory()
        count = 0 if raw[22] < 3 else min(MOST_CONTRIBUTORS, int(4 / _unit(raw[23:27]) ** 0.8))
        recipe = Recipe(self.seed, index, count, created_at, head_at, self._now - YEAR)
        return GeneratedHistory(recipe)

    @staticmethod
    def _age(raw: bytes) -> timedelta:
        """How long ago the head was written: two fifths within the last year."""
        spread = int.from_bytes(raw[1:5], "big")
        if raw[0] < 102:
            return timedelta(seconds=60 + spread % (340 * 86_400))
        return timedelta(days=380, seconds=spread % (2_500 * 86_400))

    def project_names(self) -> Iterator[tuple[str, int]]:
        """(name, serial) of every project that the index lists: the quarantined are left out."""
        for index in range(self.count):
            if _digest(self.seed, index, "project")[0]:
                yield self.project_name(index), FIRST_SERIAL + index

    def project(self, name: str) -> Project | None:
        index = self._index(name)
        if index is None or self.project_name(index) != name:
            return None
        raw = _digest(self.seed, index, "project")
        releases = _releases(raw, self._now)
        quarantined, archived = raw[0] == 0, raw[1] < 5
        urls = {"Homepage": f"https://github.com/{self.full_name(index)}"}
        if raw[2] < 100:
            urls["Documentation"] = f"https://{name}.example.invalid/"
        return Project(
            name=name,
            serial=FIRST_SERIAL + index,
            releases=releases,
            summary=f"Invented package number {index}",
            license=LICENSES[raw[3] % len(LICENSES)],
            classifiers=("Framework :: Django", "Programming Language :: Python :: 3"),
            project_urls=urls,
            status=_status(quarantined=quarantined, archived=archived),
        )


def _status(*, quarantined: bool, archived: bool) -> ProjectStatus:
    if quarantined:
        return ProjectStatus.QUARANTINED
    return ProjectStatus.ARCHIVED if archived else ProjectStatus.ACTIVE


def _unit(raw: bytes) -> float:
    """A fraction in (0, 1]."""
    return (int.from_bytes(raw, "big") + 1) / (1 << 8 * len(raw))


def _releases(raw: bytes, now: datetime) -> tuple[Release, ...]:
    count = 1 + raw[4] % 12
    oldest = now - timedelta(days=100 + int.from_bytes(raw[5:7], "big") % 3000)
    only_previews, latest_yanked, legacy = raw[7] < 5, raw[8] < 5, raw[9] < 3
    step = (now - oldest) / (count + 1)
    releases = [] if not legacy else [Release(version="2008-legacy", uploaded_at=oldest - step)]
    for number in range(count):
        version = f"{number // 5}.{number % 5 + 1}" + (f"a{number}" if only_previews else "")
        yanked = latest_yanked and number == count - 1
        releases.append(
            Release(
                version=version,
                uploaded_at=oldest + step * number,
                yanked=yanked,
                yanked_reason="broken metadata" if yanked else None,
                requires_python=">=3.9" if number > 4 else None,
            )
        )
    if raw[10] < 30 and not only_previews:
        releases.append(Release(version=f"{count // 5 + 1}.0rc1", uploaded_at=oldest + step * count))
    return tuple(releases)
