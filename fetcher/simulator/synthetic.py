"""Any number of invented packages, each a function of (seed, number): nothing is kept before it is requested.

The distributions are those of a real directory. The number of contributors has a long tail: 2 % above 100, a few above
200, so that paging matters. 40 % have commits in the last year. There are merges, anonymous authors and bots, and some
of each unusual state: empty and archived repositories, yanked, pre-release-only and unparsable versions.
:mod:`synthetic_history` determines the number and the dates of the commits.
"""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from fetcher.simulator.clock import midnight
from fetcher.simulator.history import History, WrittenHistory
from fetcher.simulator.project import Project, ProjectStatus, Release
from fetcher.simulator.repository import DEFAULT_HOST, Repository
from fetcher.simulator.synthetic_history import GeneratedHistory, Recipe, commits_of_a_year

FIRST_REPOSITORY_ID = 700_000_000
FIRST_SERIAL = 20_000_000
WORDS = ("forms", "auth", "cache", "tables", "admin", "search", "media", "rest", "tags", "tasks")
LANGUAGES = ("Python", "Python", "Python", "JavaScript", "HTML", None)
LICENSES = ("MIT", "BSD-3-Clause", "Apache-2.0", None)
MOST_CONTRIBUTORS = 300
BUSY = 10
"""Commits a year; above this number, more commits mean a younger head."""
YEAR = timedelta(days=364)


def _digest(seed: int, index: int, part: str) -> bytes:
    return hashlib.blake2b(f"{seed}/{index}/{part}".encode(), digest_size=32).digest()


class SyntheticCatalogue:
    """``count`` packages of one seed, as of one day; repositories and projects are generated on request.

    They are spread over the ``hosts`` in turn. Without ``real_ids`` the commits' ids are invented: the head of a
    package then costs no history, and git cannot be served.
    """

    def __init__(
        self, count: int, seed: int, now: datetime, hosts: Sequence[str] = (DEFAULT_HOST,), *, real_ids: bool = True
    ) -> None:
        self.count = count
        self.seed = seed
        self._hosts = tuple(hosts)
        self._real_ids = real_ids
        self._now = midnight(now.date())

    def repository_ids(self) -> range:
        return range(FIRST_REPOSITORY_ID, FIRST_REPOSITORY_ID + self.count)

    def repository_id(self, address: str) -> int | None:
        """Return the number of the repository at ``host/path``, ignoring case."""
        index = self._index(address)
        if index is None or f"{self.host(index)}/{self.full_name(index)}" != address.lower():
            return None
        return FIRST_REPOSITORY_ID + index

    def host(self, index: int) -> str:
        return self._hosts[index % len(self._hosts)]

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
        drawn = _digest(self.seed, index, "history")
        year = commits_of_a_year(_unit(drawn[0:4])) if raw[0] < 102 else 0
        head_at = self._now - self._age(raw, year)
        created_at = head_at - timedelta(days=200 + int.from_bytes(raw[8:10], "big") % 4000)
        stars = int(2 / _unit(raw[10:14]) ** 0.8)
        owner, _, name = self.full_name(index).partition("/")
        return Repository(
            database_id=database_id,
            host=self.host(index),
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
            history=self._history(index, raw, drawn, year, created_at, head_at),
        )

    def _history(
        self, index: int, raw: bytes, drawn: bytes, year: int, created_at: datetime, head_at: datetime
    ) -> History:
        if raw[20:22] < b"\x00\x80":  # one in 512 is empty
            return WrittenHistory()
        count = 0 if raw[22] < 3 else min(MOST_CONTRIBUTORS, int(4 / _unit(raw[23:27]) ** 0.8))
        recipe = Recipe(
            seed=self.seed,
            index=index,
            contributors=count,
            busiest=3 + drawn[4] % 58,
            nameless=1 + drawn[6] % 3 if not count or drawn[5] < 26 else 0,
            year=year,
            older=int(year * (1 + 3 * _unit(drawn[7:9]))),
            merging=drawn[9] < 77,
            created_at=created_at,
            head_at=head_at,
            year_ago=self._now - YEAR,
            real_ids=self._real_ids,
        )
        return GeneratedHistory(recipe)

    @staticmethod
    def _age(raw: bytes, year: int) -> timedelta:
        """Return the age of the head: two fifths are within the last year, and busier packages have younger heads."""
        spread = int.from_bytes(raw[1:5], "big")
        if year:
            return timedelta(seconds=7200 + int(spread % (340 * 86_400) / max(1, year / BUSY)))
        return timedelta(days=380, seconds=spread % (2_500 * 86_400))

    def project_names(self) -> Iterator[tuple[str, int]]:
        """Yield (name, serial) of every project that the index lists, without the quarantined ones."""
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
        urls = {"Homepage": f"https://{self.host(index)}/{self.full_name(index)}"}
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
    """Return a fraction in (0, 1]."""
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
