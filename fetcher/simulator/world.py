"""The true state that the simulator serves: the repositories and projects with their names.

Added and changed packages are kept. An unchanged synthetic package is generated again at each request, so that a
million of them cost no memory.
"""

from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from packaging.utils import canonicalize_name

from fetcher.simulator.clock import Clock
from fetcher.simulator.history import History
from fetcher.simulator.project import Project, ProjectStatus
from fetcher.simulator.repository import Repository, address_of
from fetcher.simulator.synthetic import SyntheticCatalogue

FIRST_SERIAL = 30_000_000
FIRST_DATABASE_ID = 500_000_000
MADE_KEPT = 8192
RELEASES_KEPT = 1000


class Replaced(NamedTuple):
    """A replaced history, with the time of its replacement."""

    at: datetime
    history: History


class Released(NamedTuple):
    """A release that was uploaded while the simulator runs."""

    project: str
    version: str
    at: datetime


class World:
    """Repositories by name and number, projects by name; every change goes through ``put_*`` and ``drop_*``.

    Readers and writers may run in different threads: a state is replaced in one assignment, never altered.
    """

    def __init__(self, clock: Clock | None = None, synthetic: SyntheticCatalogue | None = None) -> None:
        self.clock = clock or Clock()
        self._synthetic = synthetic or SyntheticCatalogue(0, 0, self.clock.now())
        self._repositories: dict[int, Repository | None] = {}
        self._ids: dict[str, int] = {}
        self._projects: dict[str, Project | None] = {}
        self._earlier_projects: dict[str, Project] = {}
        self._earlier_histories: dict[int, tuple[Replaced, ...]] = {}
        self.remembered = timedelta(0)
        """The time for which a history is kept after it was replaced."""
        self._serial = FIRST_SERIAL
        self.revision = 0
        """A number that grows with every change of a project, also a change that leaves the serial unchanged."""
        self.recent_releases: deque[Released] = deque(maxlen=RELEASES_KEPT)
        self._next_id = FIRST_DATABASE_ID
        self._pushes = 0
        self._made = lru_cache(maxsize=MADE_KEPT)(self._synthetic.repository)

    def repository(self, target: str) -> Repository | None:
        """Return the repository that ``owner/name`` on GitHub or ``host/path`` leads to.

        Renames are followed and case is ignored.
        """
        key = address_of(target.lower())
        database_id = self._ids.get(key)
        if database_id is None:
            database_id = self._synthetic.repository_id(key)
        return None if database_id is None else self.repository_by_id(database_id)

    def repository_by_id(self, database_id: int, host: str | None = None) -> Repository | None:
        """Return the repository with this number, if it is on ``host``; None is any host."""
        try:
            found = self._repositories[database_id]
        except KeyError:
            found = self._made(database_id)
        return found if found is None or host in (None, found.host) else None

    def repository_ids(self) -> list[int]:
        """Return all repositories' numbers without the deleted ones, synthetic ones last."""
        synthetic = self._synthetic.repository_ids()
        written = [known for known, state in self._repositories.items() if state and known not in synthetic]
        return written + [known for known in synthetic if self._repositories.get(known, known) is not None]

    def put_repository(self, repository: Repository) -> None:
        """Store this as the state of its number. Its name now leads to it, and its earlier names still do."""
        if self.remembered:
            self._remember(repository)
        self._repositories[repository.database_id] = repository
        self._ids[repository.address.lower()] = repository.database_id

    def _remember(self, new: Repository) -> None:
        old, now = self.repository_by_id(new.database_id), self.clock.now()
        if old is None or old.history is new.history:
            return
        kept = tuple(one for one in self._earlier_histories.get(new.database_id, ()) if one.at > now - self.remembered)
        self._earlier_histories[new.database_id] = (*kept, Replaced(now, old.history))

    def history_at(self, repository: Repository, moment: datetime) -> History:
        """Return the history that a repository had at a moment, or the oldest that is known.

        Only histories replaced within ``remembered`` are known, and empty ones are skipped.
        """
        replaced = self._earlier_histories.get(repository.database_id, ())
        earlier = (one.history for one in replaced if one.at > moment and one.history.tip is not None)
        return next(earlier, repository.history)

    def drop_repository(self, database_id: int) -> None:
        self._repositories[database_id] = None
        self._earlier_histories.pop(database_id, None)

    def new_repository_id(self) -> int:
        self._next_id += 1
        return self._next_id

    def new_push(self) -> int:
        """Return the number of a push: no two of them make the same commits."""
        self._pushes += 1
        return self._pushes

    def project(self, name: str) -> Project | None:
        """Return the project of a name in any spelling."""
        key = canonicalize_name(name)
        try:
            return self._projects[key]
        except KeyError:
            return self._synthetic.project(key)

    def earlier_project(self, name: str) -> Project | None:
        """Return the state before the last change, which an outdated CDN cache of the index still serves."""
        return self._earlier_projects.get(canonicalize_name(name))

    def projects(self) -> Iterator[tuple[str, int]]:
        """Yield (name as registered, serial) of every project that the index lists, the stored ones first."""
        for written in list(self._projects.values()):
            if written is not None and written.status is not ProjectStatus.QUARANTINED:
                yield written.name, written.serial
        for name, serial in self._synthetic.project_names():
            if name not in self._projects:
                yield name, serial

    def put_project(self, project: Project) -> None:
        key = canonicalize_name(project.name)
        earlier = self.project(key)
        if earlier is not None:
            self._earlier_projects[key] = earlier
        known = {release.version for release in earlier.releases} if earlier is not None else set()
        new = [release for release in project.releases if release.version not in known]
        self.recent_releases.extend(Released(key, release.version, release.uploaded_at) for release in new)
        self._projects[key] = project
        self.revision += 1

    def drop_project(self, name: str) -> None:
        self._projects[canonicalize_name(name)] = None
        self.revision += 1
        self.new_serial()

    def new_serial(self) -> int:
        """Return the index's next serial, as every change of a project takes one."""
        self._serial += 1
        return self._serial

    @property
    def serial(self) -> int:
        """Return the newest serial of the full index."""
        return self._serial
