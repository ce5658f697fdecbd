"""Passes over a site's database: catalogue in, columns that differ out, nothing of an editor's touched."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, event

from fetcher.domain.model import Source
from fetcher.domain.scheduling import DueReason
from fetcher.sites.entries import FIRST_DUE_TOGETHER
from tests.contract.site.conftest import CLASSIFIERS, RECHECK, Bench, project
from tests.harness.clock import DAY, MINUTE
from tests.harness.stores import NOW, Catalogue, entry


def test_a_row_gets_all_values_of_its_sources(bench: Bench) -> None:
    """After every source has responded, each of the worker's columns is written and no other one."""
    package_id = bench.directory.add("flat", pypi_url="flat")
    bench.run()
    bench.answer(package_id)
    before = bench.directory.row(package_id)

    done = bench.run(NOW + MINUTE)

    row = bench.directory.row(package_id)
    changed = {name: value for name, value in row.items() if value != before[name]}
    (version,) = bench.directory.versions(package_id)
    assert (done.dirty, done.written, done.fault, done.skipped) == (1, 1, None, 0)
    assert changed == {
        "repo_description": "A thing",
        "repo_watchers": 84,
        "repo_forks": 32,
        "participants": "ada,bob",
        "commits_over_52w": [0] * 51 + [3],
        "last_commit_date": NOW - DAY,
        "commit_count": 345,
        "pypi_classifiers": list(CLASSIFIERS),
        "pypi_requires_python": ">=3.8",
        "supports_python3": True,
        "pypi_license": "MIT",
        "pypi_licenses": ["MIT", "MIT License"],
        "latest_version_id": version["id"],
        "documentation_url": "https://docs.example.org/",
        "score": 84,
        "last_fetched": NOW,
    }
    assert {**version, "id": 0} == {
        "id": 0,
        "created": NOW + MINUTE,
        "modified": NOW + MINUTE,
        "number": "1.0.0",
        "downloads": 0,
        "license": "MIT",
        "hidden": False,
        "upload_time": NOW - DAY,
        "development_status": 5,
        "supports_python3": True,
        "package_id": package_id,
        "licenses": ["MIT", "MIT License"],
    }


def test_a_second_pass_writes_nothing(bench: Bench) -> None:
    """A pass in another process, as after a crash between commit and end, finds every row equal."""
    package_id = bench.directory.add("flat", pypi_url="flat")
    bench.run()
    bench.answer(package_id)
    bench.run(NOW + MINUTE)
    before = bench.directory.everything()

    again = bench.run(NOW + 2 * MINUTE)

    assert (again.dirty, again.written, again.touched) == (0, 0, 0)
    assert bench.directory.everything() == before


def test_unchanged_values_advance_the_last_fetch_alone(bench: Bench) -> None:
    """A refresh without a new value moves ``last_fetched`` of all rows in one statement, and only forwards."""
    ids = [bench.directory.add(slug) for slug in ("a", "b")]
    bench.run()
    for package_id in ids:
        bench.answer(package_id)
    bench.run(NOW + MINUTE)
    bench.answer(ids[0], NOW + 5 * MINUTE)
    bench.directory.execute("update package_package set last_fetched = %s where id = %s", NOW + DAY, ids[1])
    bench.answer(ids[1], NOW + 5 * MINUTE)

    done = bench.run(NOW + 6 * MINUTE)

    assert (done.dirty, done.touched) == (0, 1)
    assert bench.directory.row(ids[0])["last_fetched"] == NOW + 5 * MINUTE
    assert bench.directory.row(ids[1])["last_fetched"] == NOW + DAY


def test_unchanged_rows_cost_one_statement_or_none(bench: Bench) -> None:
    """Unchanged responses move ``last_fetched`` by one UPDATE; without a response the pass sends none, and locks none.

    PostgreSQL's row versions show that no other row was written.
    """
    ids = [bench.directory.add(slug, pypi_url=slug) for slug in ("a", "b", "c")]
    bench.run()
    for package_id in ids:
        bench.answer(package_id)
    bench.run(NOW + MINUTE)
    for package_id in ids[:2]:
        bench.answer(package_id, NOW + 5 * MINUTE)
    synchronizer = bench.synchronizer()
    before = row_versions(bench)

    with writes_to_site() as sent:
        done = synchronizer.run(NOW + 6 * MINUTE)

    after = row_versions(bench)
    assert (done.touched, len(sent)) == (2, 1), sent
    assert [one for one in ids if after[one] != before[one]] == ids[:2]

    with writes_to_site() as sent:
        again = synchronizer.run(NOW + 7 * MINUTE)

    assert (again.dirty, again.touched, sent) == (0, 0, [])
    assert row_versions(bench) == after


def row_versions(bench: Bench) -> dict[int, tuple[str, str]]:
    """Return the transactions that wrote and locked each package's row."""
    rows = bench.directory.execute("select id, xmin::text as written, xmax::text as locked from package_package")
    return {row["id"]: (row["written"], row["locked"]) for row in rows}


@contextmanager
def writes_to_site() -> Iterator[list[str]]:
    """Collect the statements sent to the site's tables that write or lock rows."""
    found: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "package_package" in statement and re.search(r"\b(UPDATE|INSERT|DELETE)\b", statement):
            found.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def test_the_sites_values_are_the_baseline(bench: Bench) -> None:
    """The first reading stores the site's values, so that nothing is blank before the first fetch."""
    package_id = bench.directory.add(
        "flat", repo_watchers=7, repo_forks=3, repo_description="Old", participants="ada,bob", last_fetched=NOW - DAY
    )
    blank = bench.directory.add("new")

    bench.run()

    (known, unknown) = bench.store.packages.documents([package_id, blank])
    assert (known.observed.repo_watchers, known.observed.repo_description) == (7, "Old")
    assert (known.observed.participants, known.observed.last_fetched) == (("ada", "bob"), NOW - DAY)
    assert (unknown.observed.repo_watchers, unknown.observed.last_fetched) == (None, None)


def test_packages_fetched_longest_ago_are_due_first(bench: Bench) -> None:
    """New packages become due in batches, in the order of the site's last fetch."""
    recent = bench.directory.add("recent", last_fetched=NOW - MINUTE)
    for number in range(FIRST_DUE_TOGETHER - 1):
        bench.directory.add(f"old-{number}", last_fetched=NOW - DAY)
    never = bench.directory.add("never")

    bench.run()

    states = [Catalogue(bench.store).state(bench.slug(one), Source.REPOSITORY).due_at for one in (never, recent)]
    assert states == [NOW, NOW + timedelta(milliseconds=1)]


def test_an_address_that_an_editor_changes_is_fetched_again(bench: Bench) -> None:
    """A changed address is imported by the next pass, and its values are not written before it has responded."""
    package_id = bench.directory.add("flat")
    bench.run()
    bench.answer(package_id)
    bench.run(NOW + MINUTE)
    bench.directory.edit(package_id, repo_url="https://github.com/owner/moved", repo_watchers=1)

    done = bench.run(NOW + 2 * MINUTE)

    state = bench.store.packages.get("flat")
    assert state is not None
    assert state.entry.repo_url == "https://github.com/owner/moved"
    assert state.states[Source.REPOSITORY].due_reason is DueReason.FIRST
    assert (done.edited, done.dirty, bench.directory.row(package_id)["repo_watchers"]) == (1, 0, 1)


def test_a_late_save_of_a_form_is_repaired(bench: Bench) -> None:
    """A form that saves the full row with old values is corrected by the next pass, its own fields excepted."""
    package_id = bench.directory.add("flat")
    bench.run()
    old = bench.directory.row(package_id)
    bench.answer(package_id)
    synchronizer = bench.synchronizer()
    synchronizer.run(NOW + MINUTE)
    synchronizer.run(NOW + 2 * MINUTE)
    saved = ("repo_watchers", "repo_forks", "repo_description", "participants", "score", "last_fetched")
    bench.directory.edit(package_id, title="Edited", **{name: old[name] for name in saved})

    done = synchronizer.run(NOW + 3 * MINUTE)

    row = bench.directory.row(package_id)
    assert (row["title"], row["repo_watchers"], row["participants"], done.written) == ("Edited", 84, "ada,bob", 1)
    assert bench.slug(package_id) == "flat"


def test_a_row_that_vanishes_is_retired_after_two_readings(bench: Bench) -> None:
    """A deleted row retires its package at the second reading; a row that is listed again revives it."""
    bench.directory.add("stays")
    package_id = bench.directory.add("goes")
    bench.run()
    row = bench.directory.row(package_id)
    bench.directory.execute("delete from package_package where id = %s", package_id)

    first, second = bench.run(NOW + MINUTE), bench.run(NOW + 2 * MINUTE)

    assert (first.retired, second.retired, second.packages) == (0, 1, 1)
    assert list(bench.store.packages.retired([package_id])) == [package_id]

    listed_again(bench, row)
    bench.run(NOW + 3 * MINUTE)
    assert list(bench.store.packages.retired([package_id])) == []


def test_a_package_that_an_operator_retired_stays_retired(bench: Bench) -> None:
    """Its row vanishes and returns, but that was not the reason for its retirement."""
    bench.directory.add("stays")
    package_id = bench.directory.add("goes")
    bench.run()
    row = bench.directory.row(package_id)
    bench.store.packages.retire([package_id], NOW)
    bench.directory.execute("delete from package_package where id = %s", package_id)
    assert [bench.run(NOW + minutes * MINUTE).retired for minutes in (1, 2, 3)] == [0, 0, 0]

    listed_again(bench, row)
    bench.run(NOW + 4 * MINUTE)
    assert list(bench.store.packages.retired([package_id])) == [package_id]


def listed_again(bench: Bench, row: Mapping[str, Any]) -> None:
    """Add a deleted row again, with its id."""
    given = {name: value for name, value in row.items() if name not in {"id", "slug", "created", "modified"}}
    added = bench.directory.add(row["slug"], **given)
    bench.directory.execute("update package_package set id = %s where id = %s", row["id"], added)


def test_a_database_without_any_package_retires_none(bench: Bench) -> None:
    """A site that suddenly lists no package is a fault of its address, not a deletion of the catalogue."""
    package_id = bench.directory.add("flat")
    bench.run()
    bench.directory.execute("delete from package_package")

    results = [bench.run(NOW + MINUTE), bench.run(NOW + 2 * MINUTE)]

    assert all("lists no package" in str(one.fault) for one in results)
    assert [one.failing_since for one in results] == [NOW + MINUTE] * 2
    assert list(bench.store.packages.retired([package_id])) == []


def test_a_row_that_cannot_be_imported_is_reported(bench: Bench) -> None:
    """A slug that Fetcher has under another id is left alone, with the reason, and its neighbours are read."""
    package_id = bench.directory.add("flat")
    (own,) = Catalogue(bench.store).add("taken", repo_url="https://github.com/other/one")
    taken = bench.directory.add("taken")
    assert own != taken

    done = bench.run()

    (reason,) = done.reasons
    assert reason.startswith(f"not imported: slug: 'taken' belongs to the package with the id {own}")
    assert (done.added, done.fault, bench.slug(package_id)) == (1, None, "flat")


def test_categories_of_imported_documents_stay(bench: Bench) -> None:
    """A catalogue that was imported from the API keeps its links; a new row has the category's id."""
    link = "https://directory.example/api/v4/categories/1/"
    bench.directory.add("flat", title="From the site")
    new = bench.directory.add("new")
    known = entry("flat", id=1, category=link, grids=[link], extra={"more": 1})
    assert bench.store.packages.import_entries([known], NOW).added == 1

    bench.run()

    stored = Catalogue(bench.store).get("flat").entry
    assert (stored.title, stored.category, stored.grids, stored.extra) == ("From the site", link, [link], {"more": 1})
    assert bench.store.packages.documents([new])[0].entry.category == 1


def test_a_deprecated_package_is_requested_at_the_slow_recheck(bench: Bench) -> None:
    """The answered sources of a deprecated package are due after the re-check interval instead of a day."""
    package_id = bench.directory.add("flat", date_deprecated=NOW - DAY)
    bench.run()
    Catalogue(bench.store).answer(package_id, Source.REPOSITORY, due_reason=DueReason.SLOT)

    bench.run(NOW + MINUTE)

    state = Catalogue(bench.store).state("flat", Source.REPOSITORY)
    assert (state.due_at, state.due_reason) == (NOW + RECHECK, DueReason.RECHECK)


def test_a_repository_that_is_not_served_leaves_the_row_alone(bench: Bench) -> None:
    """A package on another host stays with the site's own updater, its project and last fetch included."""
    package_id = bench.directory.add("other", repo_url="https://elsewhere.example/a/b", pypi_url="other")
    bench.run()
    bench.answer(package_id)
    before = bench.directory.everything()

    done = bench.run(NOW + MINUTE)

    assert bench.directory.everything() == before
    assert done.reasons == {"left to the site's own updater: the repository's host is not served": 1}


def test_a_new_version_is_added_once(bench: Bench) -> None:
    """A newer latest release adds a row and leaves the older one; a version the site added itself is used."""
    package_id = bench.directory.add("flat", pypi_url="flat")
    bench.run()
    bench.answer(package_id)
    bench.run(NOW + MINUTE)
    Catalogue(bench.store).answer(package_id, Source.INDEX, project("2.0"), observed_at=NOW + 2 * MINUTE)
    bench.directory.execute(
        "insert into package_version (created, modified, number, downloads, hidden, development_status,"
        " supports_python3, package_id) values (%s, %s, '2.0', 5, true, 5, true, %s)",
        NOW,
        NOW,
        package_id,
    )

    bench.run(NOW + 3 * MINUTE)

    first, second = bench.directory.versions(package_id)
    assert (first["number"], second["number"], second["hidden"], second["downloads"]) == ("1.0.0", "2.0", True, 5)
    assert (second["license"], second["modified"]) == ("MIT", NOW + 3 * MINUTE)
    assert bench.directory.row(package_id)["latest_version_id"] == second["id"]


def test_an_upload_time_that_the_site_stored_stays(bench: Bench) -> None:
    """The site's versions keep their upload times, also where they differ from the index's."""
    package_id = bench.directory.add("flat", pypi_url="flat")
    bench.run()
    bench.answer(package_id)
    bench.run(NOW + MINUTE)
    stored = NOW - timedelta(hours=19)
    bench.directory.execute("update package_version set upload_time = %s", stored)

    assert bench.run(NOW + 2 * MINUTE).dirty == 0
    assert bench.directory.versions(package_id)[0]["upload_time"] == stored
