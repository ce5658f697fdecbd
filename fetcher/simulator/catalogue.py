"""Worlds built from package documents, and the documents to import in order to fetch a world's packages."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

from packaging.version import Version

from fetcher.simulator.clock import Clock, midnight
from fetcher.simulator.git.objects import sealed
from fetcher.simulator.history import WEEK, WEEKS, Author, Commit, WrittenHistory
from fetcher.simulator.project import Project, Release
from fetcher.simulator.repository import DEFAULT_HOST, Repository
from fetcher.simulator.synthetic import SyntheticCatalogue
from fetcher.simulator.world import World

Document = Mapping[str, Any]

DIRECTORY = "https://directory.example.invalid/api/v4"
OLD_ENOUGH = timedelta(days=400)
"""The bulk of a document's history lies further back than any weekly statistic reaches."""
ACTIVE_CONTRIBUTORS = 3
"""Number of the busiest contributors who share the commits of the last year."""
LATEST_YEAR = timedelta(days=350)
"""A head committed within it is newer than each date from which a client may read the last 52 weeks."""
FIRST_MERGE = 3
"""The first commit that can be a merge: a fork point and a commit on each side precede it."""


class CatalogueError(Exception):
    """A catalogue that cannot be served; the text states the file and the reason."""


def seeds(clock: Clock | None = None) -> World:
    """Return a world of the five real packages whose documents ship with the simulator."""
    folder = resources.files("fetcher.simulator") / "data"
    texts = sorted((entry.name, entry.read_text("utf-8")) for entry in folder.iterdir())
    return from_documents([json.loads(text) for name, text in texts if name.endswith(".json")], clock)


def synthetic(
    count: int,
    seed: int = 0,
    clock: Clock | None = None,
    hosts: Sequence[str] = (DEFAULT_HOST,),
    *,
    real_ids: bool = True,
) -> World:
    """Return a world of ``count`` invented packages; the same seed gives the same packages on the same day.

    The packages are spread over the hosts in turn. ``SyntheticCatalogue`` explains ``real_ids``.
    """
    clock = clock or Clock()
    return World(clock, SyntheticCatalogue(count, seed, clock.now(), hosts, real_ids=real_ids))


def from_folder(folder: Path, clock: Clock | None = None) -> World:
    """Return a world of the documents in every ``*.json`` of a folder; a file holds one document or a list."""
    if not folder.is_dir():
        raise CatalogueError(f"{folder} is not a folder: name one with *.json documents")
    documents: list[Document] = []
    for path in sorted(folder.glob("*.json")):
        try:
            content = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise CatalogueError(f"{path}: {error}") from error
        documents += content if isinstance(content, list) else [content]
    if not documents:
        raise CatalogueError(f"{folder}: no *.json document in it")
    return from_documents(documents, clock)


def from_documents(documents: Iterable[Document], clock: Clock | None = None) -> World:
    """Return a world in which a fetch of each package gives the facts of its document.

    Weekly counts are placed relative to the clock's today; ``last_updated`` is kept as it stands, so the head's
    committer date may be older than some author dates, and that of an old document older than its parents'.
    """
    world = World(clock)
    for document in documents:
        try:
            _add(world, document)
        except (KeyError, TypeError, ValueError) as error:
            raise CatalogueError(f"document {document.get('slug')!r}: {error!r}") from error
    return world


def _add(world: World, document: Document) -> None:
    match = re.fullmatch(r"https?://([^/]+)/(.+)/([^/]+?)(?:\.git)?/?", document["repo_url"])
    if match is None or (match[1].lower() == DEFAULT_HOST and "/" in match[2]):
        raise ValueError(f"not a repository address: {document['repo_url']!r}")
    head_at = _moment(document.get("last_updated"))
    stars = document.get("repo_watchers") or 0
    world.put_repository(
        Repository(
            database_id=world.new_repository_id(),
            host=match[1].lower(),
            owner=match[2],
            name=match[3],
            created_at=_moment(document.get("created")) or midnight(world.clock.today()),
            pushed_at=head_at or midnight(world.clock.today()),
            history=WrittenHistory(_commits(document, head_at, world.clock) if head_at else ()),
            description=document.get("repo_description") or None,
            stars=stars,
            forks=document.get("repo_forks") or 0,
            subscribers=1 + stars // 20,
        )
    )
    if document.get("pypi_url"):
        world.put_project(_project(world, document))


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def _commits(document: Document, head_at: datetime, clock: Clock) -> list[Commit]:
    """Return old commits for the contributors' order, then one for each commit of the weekly counts.

    Two of them are merge commits, so that a client that leaves merges out has wrong counts: the only commit of the
    last participant, and one commit of the last year. Committer dates never pass the head's, unless the document is so
    old that its head lies before the year of its weekly counts. Then the head is an old commit without an account.
    """
    participants: Sequence[str] = document.get("participants") or ()
    weeks: Sequence[int] = document.get("commits_over_52") or ()
    today = midnight(clock.today())
    writing = _old_authors(participants)
    old_until = min(head_at, today - OLD_ENOUGH)
    written = [(author, old_until - timedelta(hours=len(writing) - at)) for at, author in enumerate(writing)]
    busiest = [_account(login) for login in participants[:ACTIVE_CONTRIBUTORS]] or [_nameless()]
    recent = [(busiest[at % len(busiest)], moment) for at, moment in enumerate(sorted(_recent_dates(weeks, today)))]
    merges = {len(participants) - 1} | ({len(written) + len(recent) // 2} if recent else set())
    written += recent
    stale = bool(recent) and head_at < today - LATEST_YEAR
    if stale:
        written.append((_nameless(), old_until))
    parents = _parents(len(written), {at for at in merges if at >= FIRST_MERGE})
    commits: list[Commit] = []
    for at, (author, moment) in enumerate(written):
        newest = at == len(written) - 1
        committed_at = head_at if newest else moment if stale else min(moment, head_at)
        above = tuple(commits[parent].oid for parent in parents[at])
        commits.append(sealed(author, moment, committed_at, above, f"Commit {at} of {document['repo_url']}"))
    return commits


def _parents(count: int, merges: Set[int]) -> list[tuple[int, ...]]:
    """Return the numbers of each commit's parents: a line, with a side branch of one commit before each merge."""
    parents: list[tuple[int, ...]] = [(at - 1,) if at else () for at in range(count)]
    for at in merges:
        parents[at - 1], parents[at] = (at - 3,), (at - 1, at - 2)
    return parents


def _old_authors(participants: Sequence[str]) -> list[Author]:
    """Return authors in rounds in the participants' order, fewer for later ones; one of them is anonymous.

    Counts therefore never grow along the list, and of two equal counts the earlier contributor is listed first.
    """
    rounds = 1 + len(participants) // 8
    authors = [
        _account(login)
        for number in range(rounds)
        for at, login in enumerate(participants)
        if 1 + (len(participants) - 1 - at) // 8 > number
    ]
    return [*authors, _nameless()]


def _recent_dates(weeks: Sequence[int], today: datetime) -> Iterator[datetime]:
    """Yield author dates spread over the days inside each rolling week."""
    start = today - WEEKS * WEEK
    for week, count in enumerate(weeks):
        for number in range(count):
            yield start + week * WEEK + timedelta(days=(3 * number) % 7, hours=10, seconds=number)


def _account(login: str) -> Author:
    return Author(login, login, f"{login}@users.example.invalid")


def _nameless() -> Author:
    return Author(None, "Nameless", "nameless@example.invalid")


def _project(world: World, document: Document) -> Project:
    """Return a project whose latest version is the document's, among versions easily mistaken for the latest."""
    latest = str(document["pypi_version"])
    major = Version(latest).release[0]
    today = midnight(world.clock.today())
    releases = (
        Release(version="0.0.1", uploaded_at=today - timedelta(days=2000)),
        Release(version="0.0.2", uploaded_at=today - timedelta(days=1500)),
        Release(version=latest, uploaded_at=today - timedelta(days=500), requires_python=">=3.9"),
        Release(
            version=f"{major + 1}.0",
            uploaded_at=today - timedelta(days=450),
            yanked=True,
            yanked_reason="uploaded by mistake",
        ),
        Release(version=f"{major + 2}.0rc1", uploaded_at=today - timedelta(days=420), requires_python=">=3.10"),
    )
    link = document.get("documentation_url")
    urls = {"Homepage": str(document["repo_url"])} | ({"Documentation": str(link)} if link else {})
    return Project(
        name=project_name(str(document["pypi_url"])),
        serial=world.new_serial(),
        releases=tuple(sorted(releases, key=lambda release: release.uploaded_at)),
        summary=document.get("repo_description") or "",
        license="BSD-3-Clause",
        classifiers=("Framework :: Django", "Programming Language :: Python :: 3"),
        project_urls=urls,
    )


def project_name(pypi_url: str) -> str:
    """Return the name in an address of the old or the new form, or the bare name itself."""
    return pypi_url.rstrip("/").rpartition("/")[2]


def documents(world: World) -> Iterator[dict[str, Any]]:
    """Yield the document to import for each package of a world: the editors' fields without the worker's."""
    since = "2020-01-01T00:00:00-05:00"
    for number, database_id in enumerate(world.repository_ids(), start=1):
        repository = world.repository_by_id(database_id)
        if repository is None:
            continue
        project = world.project(repository.name)
        yield {
            "category": f"{DIRECTORY}/categories/1/",
            "grids": [],
            "id": number,
            "title": repository.name,
            "slug": repository.name,
            "repo_url": f"https://{repository.address}",
            "created": since,
            "modified": since,
            "pypi_url": project.name if project else None,
            "documentation_url": None,
        }


def write_catalogue(world: World, path: Path) -> int:
    """Write the documents to import: a ``.jsonl`` has one a line, a ``.txt`` addresses only. Return their number."""
    written = list(documents(world))
    if path.suffix == ".txt":
        path.write_text("".join(f"{document['repo_url']}\n" for document in written), "utf-8")
    elif path.suffix == ".jsonl":
        path.write_text("".join(f"{json.dumps(document)}\n" for document in written), "utf-8")
    else:
        path.write_text(json.dumps(written, indent=1), "utf-8")
    return len(written)
