"""Import of editors' entries, on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from sqlalchemy import Engine, event

from fetcher.domain.model import (
    REPOSITORY_SOURCES,
    CatalogueEntry,
    CommitDays,
    Contribution,
    Contributors,
    DocumentValues,
    DueReason,
    RepoRef,
    Source,
    SourceState,
    Unsupported,
)
from fetcher.ports import Imported
from fetcher.upstreams.github.limits import GITHUB
from fetcher.upstreams.pypi.limits import PYPI
from tests.harness.clock import DAY, HOUR
from tests.harness.stores import HOST, LEASE, NOW, Catalogue, answered, entry, stats, versions

DOCUMENT = entry(
    "django-x",
    id=1412,
    title="Django X",
    category="https://directory.example/categories/1/",
    grids=["g/2", "g/1"],
    pypi_url="django-x",
    documentation_url=None,
    created=datetime(2012, 8, 13, 12, 13, 58, 949977, tzinfo=timezone(-timedelta(hours=4))),
    modified=NOW - 30 * DAY,
    extra={"zeta": None, "alpha": {"b": 1.5, "a": [True, "ü"]}},
    observed=DocumentValues(
        repo_watchers=1352,
        repo_forks=219,
        repo_description=":couple: accounts",
        participants=("ann", "bob"),
        commits_over_52=tuple(range(52)),
        last_updated=NOW - 20 * DAY,
        pypi_version="2.5.0",
        last_fetched=NOW - 10 * DAY,
    ),
)


def imported(catalogue: Catalogue, *entries: CatalogueEntry, now: datetime = NOW) -> Imported:
    return catalogue.store.packages.import_entries(entries, now)


def counted(result: Imported) -> tuple[int, int, int]:
    return result.added, result.updated, result.unchanged


def loose(slug: str, **fields: object) -> CatalogueEntry:
    """Return an incomplete entry, as from a CSV line or an address, with a derived slug."""
    return entry(slug, **{"complete": False, "slug_derived": True, **fields})


def test_a_document_is_kept_as_it_is(catalogue: Catalogue) -> None:
    """Editors' fields, unknown keys in their order, and the worker's fields are read back equal."""
    assert counted(imported(catalogue, DOCUMENT)) == (1, 0, 0)
    found = catalogue.get("django-x")
    assert found.entry == replace(DOCUMENT, observed=None)
    assert list(found.entry.extra) == ["zeta", "alpha"]
    assert found.observed == DOCUMENT.observed
    assert found.repo == RepoRef(HOST, "owner/django-x")
    assert found.project == "django-x"
    assert (found.stats, found.versions, found.commit_days) == (None, None, None)


def test_unchanged_entries_are_only_read(catalogue: Catalogue, engine: Engine) -> None:
    """A batch without changes takes no lock and writes nothing; one with a changed value is written."""
    entries = [DOCUMENT, entry("b"), loose("c", repo_url="https://github.com/other/c")]
    imported(catalogue, *entries)
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *of: statements.append(of[2]))

    assert counted(imported(catalogue, *entries, now=NOW + DAY)) == (0, 0, 3)
    assert any(one.startswith("SELECT") for one in statements)
    assert [one for one in statements if not one.startswith("SELECT") or "FOR UPDATE" in one] in ([], ["BEGIN"])
    assert counted(imported(catalogue, entries[0], replace(entries[1], title="Other"), now=NOW + DAY)) == (0, 1, 1)


def test_importing_twice_changes_nothing(catalogue: Catalogue) -> None:
    """The second import counts entries of every kind as unchanged, in one batch or in two."""
    entries = [DOCUMENT, entry("b"), loose("c", repo_url="https://github.com/other/c"), entry("d", repo_url="ftp://x")]
    assert counted(imported(catalogue, *entries)) == (4, 0, 0)
    before = [catalogue.get(slug) for slug in ("django-x", "b", "c", "d")]
    assert counted(imported(catalogue, *entries, *entries, now=NOW + DAY)) == (0, 0, 8)
    assert [catalogue.get(slug) for slug in ("django-x", "b", "c", "d")] == before


def test_new_packages_are_due(catalogue: Catalogue) -> None:
    """The repository and the project are due at once; contributors and commits follow the repository's response."""
    catalogue.add("a", project=True)
    assert catalogue.get("a").states == {
        Source.REPOSITORY: SourceState(Source.REPOSITORY, GITHUB, due_at=NOW, due_reason=DueReason.FIRST),
        Source.CONTRIBUTORS: SourceState(Source.CONTRIBUTORS, GITHUB),
        Source.COMMITS: SourceState(Source.COMMITS, GITHUB),
        Source.INDEX: SourceState(Source.INDEX, PYPI, due_at=NOW, due_reason=DueReason.FIRST),
    }


def test_unsupported_addresses_are_stored_and_reported(catalogue: Catalogue) -> None:
    """An address on another host is stored, reported with its reason, and has no source to fetch."""
    address = "https://elsewhere.example/o/n"
    result = imported(catalogue, entry("a", repo_url=address, pypi_url="no project"))
    assert result.unsupported == (("a", "not a supported host"), ("a", "not a project"))
    found = catalogue.get("a")
    assert found.repo == Unsupported(address, "not a supported host")
    assert found.project == Unsupported("no project", "not a project")
    assert found.states == {}


def test_matching_by_id_is_a_rename(catalogue: Catalogue) -> None:
    """A known id under another slug is the same package, renamed by its editors; the old slug is free again."""
    imported(catalogue, DOCUMENT)
    assert counted(imported(catalogue, replace(DOCUMENT, slug="new-name"), entry("django-x", id=7))) == (1, 1, 0)
    assert catalogue.get("new-name").entry.id == 1412
    assert catalogue.get("django-x").entry.id == 7


def test_editors_may_swap_slugs(catalogue: Catalogue) -> None:
    """Slugs that move between packages of one import end as the documents state, in any order."""
    imported(catalogue, entry("a", id=1), entry("b", id=2))
    result = imported(catalogue, entry("c", id=2), entry("b", id=1), entry("a", id=2))
    assert result.rejected == ()
    assert catalogue.store.packages.ids(["a", "b", "c"]) == {"a": 2, "b": 1}


def test_bad_entries_are_named_and_the_others_stored(catalogue: Catalogue) -> None:
    """A taken or empty slug, an id out of range, a naive time and non-JSON values are rejected with one line each."""
    imported(catalogue, entry("taken", id=1))
    naive = datetime(2026, 1, 1)  # noqa: DTZ001  (under test)
    result = imported(
        catalogue,
        entry("good"),
        entry("taken", id=2),
        entry(" "),
        entry("zero", id=0),
        entry("naive", created=naive),
        entry("odd", extra={"x": float("nan")}),
        entry("fine", id=9),
    )
    assert result.added == 2
    reasons = dict(result.rejected)
    assert list(reasons) == [1, 2, 3, 4, 5]
    assert reasons[1] == (
        "slug: 'taken' belongs to the package with the id 1. Give this one another slug, or that one's id"
    )
    assert all("\n" not in reason for reason in reasons.values())
    assert set(catalogue.store.packages.ids(["good", "fine", "zero", "naive", "odd"])) == {"good", "fine"}


def test_one_value_that_the_database_refuses(catalogue: Catalogue) -> None:
    """If only the database detects a bad value, the batch is halved until the bad entry is alone."""
    huge = DocumentValues(repo_watchers=2**80, last_fetched=NOW)
    entries = [entry(f"p{n}") for n in range(20)]
    entries[13] = replace(entries[13], observed=huge)
    result = imported(catalogue, *entries)
    assert (result.added, [index for index, _ in result.rejected]) == (19, [13])


def test_a_loose_entry_is_the_package_of_its_repository(catalogue: Catalogue) -> None:
    """An address in any spelling finds its repository's package, fills its stated fields and renames nothing."""
    imported(catalogue, DOCUMENT)
    address = loose("other", repo_url=f"https://{HOST}/OWNER/Django-X", title="made up", documentation_url="https://d")
    assert counted(imported(catalogue, address)) == (0, 1, 0)
    found = catalogue.get("django-x")
    assert found.entry == replace(
        DOCUMENT, observed=None, repo_url=f"https://{HOST}/OWNER/Django-X", documentation_url="https://d"
    )
    assert found.project == "django-x"
    assert found.states[Source.REPOSITORY].observed_at is None


def test_a_loose_entry_without_repository_goes_by_project(catalogue: Catalogue) -> None:
    """A project without a repository is matched with the package of that project."""
    imported(catalogue, DOCUMENT)
    assert counted(imported(catalogue, loose("x", repo_url=None, pypi_url="Django-X"))) == (0, 1, 0)
    assert catalogue.store.packages.get("x") is None


def test_two_projects_of_one_repository(catalogue: Catalogue) -> None:
    """Lines of one repository with different projects are different packages, and both are found again."""
    lines = [loose("mono", pypi_url="one"), loose("mono", pypi_url="two")]
    assert counted(imported(catalogue, *lines)) == (2, 0, 0)
    assert counted(imported(catalogue, *reversed(lines))) == (0, 0, 2)
    assert (catalogue.get("mono").project, catalogue.get("owner-mono").project) == ("one", "two")


def test_made_up_slugs_are_made_unique(catalogue: Catalogue) -> None:
    """A taken slug becomes owner-name, then owner-name-2, and a later document may still have any id."""
    catalogue.add("name", "me-name")
    result = imported(catalogue, loose("name", repo_url=f"https://{HOST}/Me/Name"))
    assert counted(result) == (1, 0, 0)
    assert catalogue.get("me-name-2").repo == RepoRef(HOST, "Me/Name")
    assert counted(imported(catalogue, *(entry(f"d{n}", id=n) for n in range(1, 20)))) == (19, 0, 0)
    assert counted(imported(catalogue, entry("later"))) == (1, 0, 0)


def test_a_stated_slug_is_the_package(catalogue: Catalogue) -> None:
    """A line that states a stored slug changes that package, also its address, and keeps what it does not state."""
    catalogue.add("a", documentation_url="https://d")
    moved = loose("a", slug_derived=False, repo_url=f"https://{HOST}/else/where")
    assert counted(imported(catalogue, moved)) == (0, 1, 0)
    assert counted(imported(catalogue, moved)) == (0, 0, 1)
    found = catalogue.get("a")
    assert (found.repo, found.entry.documentation_url) == (RepoRef(HOST, "else/where"), "https://d")
    assert counted(imported(catalogue, loose("b", slug_derived=False))) == (1, 0, 0)


def test_another_repository_starts_afresh(catalogue: Catalogue) -> None:
    """Another repository is due now, without ids, head, revision or validators; displayed values stay meanwhile."""
    (a,) = catalogue.add("a", project=True)
    people = Contributors((Contribution("ann", 2),))
    days = CommitDays(NOW.date(), (1, 2))
    catalogue.store.claims.record(
        [
            answered(a, Source.REPOSITORY, stats(), revision="abc"),
            answered(a, Source.CONTRIBUTORS, people, revision="abc"),
            answered(a, Source.COMMITS, days, revision="abc"),
            answered(a, Source.INDEX, versions("1.0")),
        ]
    )
    before = catalogue.get("a")
    catalogue.add("a", pypi_url="a", repo_url=f"https://{HOST}/else/where", now=NOW + HOUR)
    after = catalogue.get("a")
    assert after.observed == before.observed
    assert (after.stats, after.commit_days) == (None, days)
    assert after.states[Source.INDEX] == before.states[Source.INDEX]
    fresh = after.states[Source.REPOSITORY]
    assert (fresh.answered_at, fresh.revision, fresh.due_at) == (None, None, NOW + HOUR)
    assert after.states[Source.COMMITS].due_at is None
    (target,) = catalogue.store.claims.load(catalogue.claim(Source.REPOSITORY, now=NOW + HOUR))
    assert (target.repo, target.handle, target.head_oid) == (RepoRef(HOST, "else/where"), None, None)


def test_an_answer_about_the_old_repository_comes_too_late(catalogue: Catalogue) -> None:
    """A worker that loaded the old address records no values after the change; a new claim does."""
    (a,) = catalogue.add("a")
    old = catalogue.claim(Source.REPOSITORY)
    catalogue.add("a", repo_url=f"https://{HOST}/else/where", now=NOW + timedelta(seconds=1))
    catalogue.answer(a, Source.REPOSITORY, stats(stars=666), lease=old.lease, observed_at=NOW + HOUR)
    assert catalogue.get("a").stats is None
    assert catalogue.state("a", Source.REPOSITORY).due_at == NOW + timedelta(seconds=1)
    new = catalogue.claim(Source.REPOSITORY, now=NOW + LEASE)
    catalogue.answer(a, Source.REPOSITORY, stats(stars=5), lease=new.lease, observed_at=NOW + LEASE)
    assert catalogue.get("a").stats == stats(stars=5)


def test_following_a_rename_is_no_other_repository(catalogue: Catalogue) -> None:
    """An editor's change to the repository's last seen name does not reset the sources."""
    (a,) = catalogue.add("a")
    catalogue.answer(a, Source.REPOSITORY, stats(full_name="Moved/Here"), revision="abc")
    catalogue.add("a", repo_url=f"https://{HOST}/moved/here")
    assert catalogue.get("a").stats == stats(full_name="Moved/Here")
    assert catalogue.state("a", Source.REPOSITORY).revision == "abc"


def test_another_project_starts_afresh(catalogue: Catalogue) -> None:
    """The project's state is new and due; the repository's state and the displayed version stay."""
    (a,) = catalogue.add("a", project=True)
    catalogue.store.claims.record(
        [answered(a, Source.INDEX, versions("1.0"), revision="7"), answered(a, Source.REPOSITORY, stats())]
    )
    catalogue.add("a", pypi_url="b", now=NOW + HOUR)
    found = catalogue.get("a")
    assert (found.project, found.versions, found.observed.pypi_version) == ("b", None, "1.0")
    assert (found.states[Source.INDEX].revision, found.states[Source.INDEX].due_at) == (None, NOW + HOUR)
    assert found.states[Source.REPOSITORY].answered_at == NOW


def test_an_address_that_goes_takes_its_sources(catalogue: Catalogue) -> None:
    """Without a repository its sources are removed and not waited for; with one again they are new."""
    (a,) = catalogue.add("a", project=True)
    catalogue.add("a", pypi_url="a", repo_url=None)
    assert set(catalogue.get("a").states) == {Source.INDEX}
    catalogue.answer(a, Source.INDEX, versions("1.0"))
    assert catalogue.get("a").observed.last_fetched == NOW
    catalogue.add("a", project=True)
    assert set(catalogue.get("a").states) == {*REPOSITORY_SOURCES, Source.INDEX}


@pytest.mark.parametrize(("age", "taken"), [(-HOUR, False), (timedelta(0), False), (HOUR, True)])
def test_a_document_is_taken_only_if_it_is_newer(catalogue: Catalogue, age: timedelta, *, taken: bool) -> None:
    """Only a document fetched after the store's last refresh replaces responses."""
    (a,) = catalogue.add("a", project=True)
    for source in Source:
        catalogue.answer(a, source, stats() if source is Source.REPOSITORY else None)
    document = DocumentValues(repo_watchers=99, repo_forks=None, last_fetched=NOW + age)
    catalogue.add("a", project=True, observed=document)
    found = catalogue.get("a").observed
    assert (found.repo_watchers, found.repo_forks) == (99 if taken else 10, 2)
    assert found.last_fetched == max(NOW, NOW + age)


def test_a_document_never_replaces_answers_of_unknown_age(catalogue: Catalogue) -> None:
    """Until every source has responded there is no last refresh, and a document replaces no response."""
    (a,) = catalogue.add("a", project=True)
    catalogue.answer(a, Source.REPOSITORY, stats())
    catalogue.add("a", project=True, observed=DocumentValues(repo_watchers=99, last_fetched=NOW + DAY))
    assert catalogue.get("a").observed.repo_watchers == 10


def test_imported_contributors_have_no_counts(catalogue: Catalogue) -> None:
    """A document's participants are displayed, and count zero commits in refresh decisions."""
    imported(catalogue, DOCUMENT)
    (target,) = catalogue.store.claims.load(catalogue.claim(Source.REPOSITORY), details=True)
    assert target.contributors == Contributors((Contribution("ann", 0), Contribution("bob", 0)))


def test_a_large_import_is_many_transactions(catalogue: Catalogue) -> None:
    """More entries than fit one batch are all stored, each with its index in the report."""
    entries = [entry(f"p{n}", id=n) for n in range(1, 2_402)]
    entries[2_200] = entry(" ")
    result = imported(catalogue, *entries)
    assert (result.added, [index for index, _ in result.rejected]) == (2_400, [2_200])
    assert len(catalogue.store.claims.due_ids([Source.REPOSITORY], NOW)) == 2_400


def test_a_package_that_the_directory_gives_an_id(catalogue: Catalogue) -> None:
    """A package added by address and then listed by the directory takes the directory's id and keeps its data."""
    assert imported(catalogue, loose("lesscpy")).added == 1
    own = catalogue.get("lesscpy").entry.id
    assert own is not None
    assert own >= 1_000_000_000
    catalogue.answer(own, Source.REPOSITORY, stats(stars=7))
    claim = catalogue.claim(Source.REPOSITORY, now=NOW + DAY)

    listed = entry("lesscpy", id=2223)
    assert imported(catalogue, listed).updated == 1
    assert imported(catalogue, listed).unchanged == 1

    package = catalogue.get("lesscpy")
    assert (package.entry.id, package.stats and package.stats.stars) == (2223, 7)
    assert catalogue.state("lesscpy", Source.REPOSITORY).outcome == "fetched"
    assert len(catalogue.store.events.of_package(2223, 10)) == 1
    catalogue.store.claims.record([answered(own, Source.REPOSITORY, stats(stars=9), lease=claim.lease)])
    assert len(catalogue.claim(Source.REPOSITORY, now=NOW + 2 * DAY).package_ids) == 1
    assert catalogue.store.claims.due_ids(None, None) == [2223]


def test_another_package_under_the_slug_stays(catalogue: Catalogue) -> None:
    """An id assigned by the store is replaced for the same repository only."""
    imported(catalogue, loose("a"))
    result = imported(catalogue, entry("a", id=5, repo_url=f"https://{HOST}/another/a"))
    assert len(result.rejected) == 1
    assert catalogue.get("a").entry.repo_url == f"https://{HOST}/owner/a"
