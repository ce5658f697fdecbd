"""Faults of a site's database: fetching goes on, nothing of an editor's is touched, and each fault is reported."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from fetcher.domain.errors import ConfigError, SiteError, StoreError
from fetcher.domain.model import Contribution, Contributors, Source
from fetcher.domain.sites import GonePolicy, RowChange, SitePass
from fetcher.sites.django_packages.connection import open_site_engine
from fetcher.sites.synchronizer import Synchronizer
from fetcher.store import SqlStore
from tests.contract.site.conftest import RECHECK, Bench, project
from tests.harness.clock import DAY, MINUTE
from tests.harness.directory import Directory
from tests.harness.processes import wait_until
from tests.harness.stores import NOW, Catalogue, failed


def prepared(bench: Bench, *slugs: str) -> list[int]:
    """Add packages whose sources have all answered, and whose rows still differ."""
    ids = [bench.directory.add(slug, pypi_url=slug) for slug in slugs]
    bench.run()
    for package_id in ids:
        bench.answer(package_id)
    return ids


def watchers(bench: Bench, *ids: int) -> list[int]:
    return [bench.directory.row(package_id)["repo_watchers"] for package_id in ids]


def add_twice(directory: Directory, package_id: int) -> None:
    """Add the same version twice, as two overlapping runs of an older site's updater did."""
    for _ in range(2):
        directory.execute(
            "insert into package_version (created, modified, number, downloads, hidden, development_status,"
            " supports_python3, package_id) values (now(), now(), '1.0.0', 0, false, 0, false, %s)",
            package_id,
        )


def test_a_row_that_an_editor_holds_is_written_by_the_next_pass(bench: Bench) -> None:
    """A locked row is skipped without waiting, its neighbours are written, and the next pass writes it."""
    held, free = prepared(bench, "held", "free")
    with bench.directory.connection() as editor:
        editor.execute("select * from package_package where id = %s for update", [held])
        first = bench.run(NOW + MINUTE)
        assert (first.dirty, first.written, first.locked) == (2, 1, 1)
        assert watchers(bench, held, free) == [0, 84]

    assert bench.run(NOW + 2 * MINUTE).written == 1
    assert watchers(bench, held, free) == [84, 84]


def test_a_form_saved_during_the_pass_keeps_its_fields(bench: Bench) -> None:
    """Between reading and locking, an editor saves a row: the worker's columns alone are written."""
    (package_id,) = prepared(bench, "flat")
    synchronizer = bench.synchronizer()
    compared = synchronizer.compare(synchronizer.read(NOW + MINUTE), NOW + MINUTE)
    edited = {"title": "Mine", "documentation_url": "https://mine.example.org/"}
    bench.directory.edit(package_id, **edited)

    synchronizer.write(compared, SitePass(NOW, NOW), NOW + MINUTE)

    row = bench.directory.row(package_id)
    assert {name: row[name] for name in edited} == edited
    assert (row["repo_watchers"], row["modified"]) == (84, NOW.replace(microsecond=0) + MINUTE)


def test_an_address_changed_during_the_pass_is_not_written(bench: Bench) -> None:
    """Between reading and locking, an editor changes an address: no value of the former one is written."""
    moved, stays, fetched = prepared(bench, "moved", "stays", "fetched")
    synchronizer = bench.synchronizer()
    synchronizer.run(NOW + MINUTE)
    bench.directory.execute("update package_package set repo_watchers = 0 where id in (%s, %s)", moved, stays)
    bench.answer(fetched, NOW + 2 * MINUTE)
    compared = synchronizer.compare(synchronizer.read(NOW + 2 * MINUTE), NOW + 2 * MINUTE)
    for package_id in (moved, fetched):
        bench.directory.edit(package_id, repo_url=f"https://github.com/owner/new-{package_id}")

    done = synchronizer.write(compared, SitePass(NOW, NOW), NOW + 2 * MINUTE)

    assert (watchers(bench, moved, stays), done.written, done.touched) == ([0, 84], 1, 0)
    assert bench.directory.row(fetched)["last_fetched"] == NOW


def test_a_row_that_the_database_refuses_holds_back_no_other(bench: Bench) -> None:
    """A constraint of the site refuses one row: its neighbours are written, and the reason is stored."""
    good, bad, other = prepared(bench, "good", "bad", "other")
    bench.directory.execute(f"alter table package_package add constraint few check (id <> {bad} or repo_forks < 5)")

    done = bench.run(NOW + MINUTE)

    assert (watchers(bench, good, bad, other), done.written, done.refused) == ([84, 0, 84], 2, 1)
    ((slug, reason),) = bench.store.sites.skipped()
    assert (slug, 'violates check constraint "few"' in reason) == ("bad", True)
    bench.directory.execute("alter table package_package drop constraint few")
    assert bench.run(NOW + 2 * MINUTE).written == 1
    assert bench.store.sites.skipped() == []


def test_a_site_that_cannot_be_reached_is_reported_and_stops_nothing(bench: Bench) -> None:
    """Without the site's database a pass stores its fault and since when; answers are stored meanwhile."""
    (package_id,) = prepared(bench, "flat")
    down = Synchronizer(bench.site("postgresql://nobody@127.0.0.1:1/none"), bench.store, RECHECK)

    first, second = down.run(NOW + MINUTE), down.run(NOW + 2 * MINUTE)

    assert "cannot be reached" in str(first.fault)
    assert (first.failing_since, second.failing_since) == (NOW + MINUTE, NOW + MINUTE)
    bench.answer(package_id, NOW + 3 * MINUTE)
    assert (bench.run(NOW + 4 * MINUTE).written, watchers(bench, package_id)) == (1, [84])
    last = bench.store.sites.last_pass("site")
    assert last is not None
    assert (last.fault, last.failing_since) == (None, None)


def test_a_read_only_site_is_reported(bench: Bench) -> None:
    """A replica refuses the write in words, and nothing is changed."""
    prepared(bench, "flat")
    before = bench.directory.everything()

    done = Synchronizer(bench.site(read_only=True), bench.store, RECHECK).run(NOW + MINUTE)

    assert "is read-only" in str(done.fault)
    assert bench.directory.everything() == before


def test_a_pass_killed_between_commit_and_end_has_nothing_to_write(bench: Bench) -> None:
    """The rows were committed and nothing else was stored: the next pass compares them and finds them equal."""
    prepared(bench, "flat")
    killed = bench.synchronizer()
    compared = killed.compare(killed.read(NOW + MINUTE), NOW + MINUTE)
    killed._site.write(compared.dirty, compared.values, NOW + MINUTE, bench.store.sites.journal)

    assert bench.run(NOW + 2 * MINUTE).dirty == 0


def test_a_pass_killed_before_the_commit_writes_nothing(bench: Bench) -> None:
    """The site's transaction ends without a commit: the row is as before, and the next pass writes it."""
    (package_id,) = prepared(bench, "flat")
    killed = bench.synchronizer()
    compared = killed.compare(killed.read(NOW + MINUTE), NOW + MINUTE)
    before = bench.directory.everything()

    def die(_: object) -> None:
        raise StoreError("killed")

    with pytest.raises(StoreError, match="killed"):
        killed._site.write(compared.dirty, compared.values, NOW + MINUTE, die)

    assert bench.directory.everything() == before
    assert (bench.run(NOW + 2 * MINUTE).written, watchers(bench, package_id)) == (1, [84])


def test_a_migration_under_a_running_worker_is_followed(bench: Bench) -> None:
    """A column that disappears is noticed by its SQLSTATE: the columns are read again, and the pass goes on."""
    (package_id,) = prepared(bench, "flat")
    synchronizer = bench.synchronizer()
    reading = synchronizer.read(NOW + MINUTE)
    bench.directory.execute("alter table package_package drop column pypi_requires_python")

    done = synchronizer.write(synchronizer.compare(reading, NOW + MINUTE), SitePass(NOW, NOW), NOW + MINUTE)

    assert (done.written, watchers(bench, package_id)) == (1, [84])
    bench.directory.execute("alter table package_package drop column repo_forks")
    assert "lacks the columns repo_forks" in str(synchronizer.run(NOW + 2 * MINUTE).fault)


def test_a_table_of_versions_that_disappears_is_done_without(bench: Bench) -> None:
    """The table of versions is moved away between reading and writing: the packages' own columns are written."""
    (package_id,) = prepared(bench, "flat")
    synchronizer = bench.synchronizer()
    compared = synchronizer.compare(synchronizer.read(NOW + MINUTE), NOW + MINUTE)
    bench.directory.execute("alter table package_version rename to package_moved")

    done = synchronizer.write(compared, SitePass(NOW, NOW), NOW + MINUTE)

    assert (done.written, watchers(bench, package_id)) == (1, [84])
    bench.directory.execute("alter table package_moved rename to package_version")
    assert bench.run(NOW + 2 * MINUTE).written == 1
    assert [version["number"] for version in bench.directory.versions(package_id)] == ["1.0.0"]


def test_duplicate_versions_of_an_older_site_are_used_as_they_are(bench: Bench) -> None:
    """Without the unique key a number may have two rows: the oldest is the latest version, and none is added."""
    (package_id,) = prepared(bench, "flat")
    bench.directory.execute("alter table package_version drop constraint unique_version_package_number")
    add_twice(bench.directory, package_id)

    bench.run(NOW + MINUTE)

    versions = bench.directory.versions(package_id)
    assert len(versions) == 2
    assert bench.directory.row(package_id)["latest_version_id"] == versions[0]["id"]
    assert bench.run(NOW + 2 * MINUTE).dirty == 0


def test_duplicate_versions_of_the_form_without_a_latest_version(empty_postgres_url: str, store: SqlStore) -> None:
    """Update the newest row if it counts as the latest version, so that the next pass finds nothing to write."""
    directory = Directory(empty_postgres_url)
    directory.create("F2")
    bench = Bench(directory, store)
    (package_id,) = prepared(bench, "flat")
    add_twice(directory, package_id)

    bench.run(NOW + MINUTE)

    assert [version["license"] for version in directory.versions(package_id)] == [None, "MIT"]
    assert bench.run(NOW + 2 * MINUTE).dirty == 0
    for site in bench.opened:
        site.close()


def test_two_passes_at_once_add_one_version(bench: Bench) -> None:
    """Two workers write the same packages of a site without the unique key: each version is added once."""
    bench.directory.execute("alter table package_version drop constraint unique_version_package_number")
    ids = prepared(bench, *(f"p{number}" for number in range(5)))
    both = [bench.synchronizer() for _ in range(2)]
    compared = [one.compare(one.read(NOW + MINUTE), NOW + MINUTE) for one in both]
    ready = threading.Barrier(2)

    def write(number: int) -> None:
        ready.wait()
        site = both[number]._site
        site.write(compared[number].dirty, compared[number].values, NOW + MINUTE, lambda _: None)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [len(bench.directory.versions(package_id)) for package_id in ids] == [1] * 5


def test_an_element_too_long_and_three_hundred_people(bench: Bench) -> None:
    """A classifier of 101 characters is left out and reported; people and a description have no limit."""
    (package_id,) = prepared(bench, "flat")
    catalogue = Catalogue(bench.store)
    info = project("1.0.0").info
    assert info is not None
    long = replace(info, classifiers=("x" * 101, "Framework :: Django"))
    people = Contributors(tuple(Contribution(f"person-{number}", 1) for number in range(300)))
    catalogue.answer(package_id, Source.INDEX, project("1.0.0", info=long), observed_at=NOW + MINUTE)
    catalogue.answer(package_id, Source.CONTRIBUTORS, people, observed_at=NOW + MINUTE)
    bench.answer(package_id, NOW + MINUTE, description="x" * 1_000_000)
    catalogue.answer(package_id, Source.INDEX, project("1.0.0", info=long), observed_at=NOW + 2 * MINUTE)
    catalogue.answer(package_id, Source.CONTRIBUTORS, people, observed_at=NOW + 2 * MINUTE)

    done = bench.run(NOW + 3 * MINUTE)

    row = bench.directory.row(package_id)
    assert (row["pypi_classifiers"], len(row["repo_description"])) == (["Framework :: Django"], 1_000_000)
    assert row["participants"].count(",") == 299
    assert done.reasons == {"pypi_classifiers: 101 characters, and the column holds 100": 1}


def test_a_gone_package_is_deprecated_by_policy_and_taken_back(bench: Bench) -> None:
    """With the policy, three strikes set the date; a response clears it, unless an editor has set another one."""
    bench.gone = GonePolicy.DEPRECATE
    mine, theirs = prepared(bench, "mine", "theirs")
    bench.run(NOW + MINUTE)
    later = NOW + 40 * DAY
    for package_id in (mine, theirs):
        strikes = failed(package_id, Source.REPOSITORY, "gone", failures=3, first_failed_at=NOW, observed_at=later)
        bench.store.claims.record([strikes])

    bench.run(later + MINUTE)
    assert [bench.directory.row(one)["date_deprecated"] for one in (mine, theirs)] == [later, later]

    bench.directory.edit(theirs, date_deprecated=NOW - DAY)
    for package_id in (mine, theirs):
        bench.answer(package_id, later + DAY)
    bench.run(later + DAY + MINUTE)
    assert [bench.directory.row(one)["date_deprecated"] for one in (mine, theirs)] == [None, NOW - DAY]


def test_revert_restores_the_first_values_where_fetchers_still_stand(bench: Bench) -> None:
    """Every column gets its first value back; one that an editor or the site changed since keeps the newer value."""
    old = {
        "repo_watchers": 7,
        "repo_forks": 3,
        "participants": "eve",
        "pypi_licenses": ["Old"],
        "last_fetched": NOW - DAY,
    }
    package_id = bench.directory.add("flat", pypi_url="flat", commits_over_52w=[1] * 52, **old)
    bench.run()
    before = bench.directory.row(package_id)
    bench.answer(package_id)
    bench.run(NOW + MINUTE)
    bench.answer(package_id, NOW + 2 * DAY, stars=90)
    bench.run(NOW + 2 * DAY + MINUTE)
    bench.directory.edit(package_id, participants="mallory")

    restored = bench.synchronizer().revert()

    row = bench.directory.row(package_id)
    kept = {"participants", "modified"}
    assert {n: v for n, v in row.items() if n not in kept} == {n: v for n, v in before.items() if n not in kept}
    assert (row["participants"], restored > 10) == ("mallory", True)
    assert bench.synchronizer().revert() == 0


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://u:secret@h/d", "of the kind 'mysql' is not supported"),
        ("secret", "cannot be read"),
        ("postgresql://u:secret@h:port/d", "cannot be read"),
    ],
)
def test_an_address_that_cannot_be_read_names_no_password(url: str, message: str) -> None:
    """The error states the expected form, and never quotes the address."""
    with pytest.raises(ConfigError, match=message) as caught:
        open_site_engine(url)
    assert "secret" not in str(caught.value)


def test_a_wrong_password_is_reported_without_it(directory: Directory, bench: Bench) -> None:
    """The role's refusal names the database and the setting, and no password."""
    url = directory.url.replace("postgres@", "missing_role:secret@")
    with pytest.raises(SiteError, match="Check FETCHER_SITE_URL") as caught:
        bench.site(url).inspect()
    assert "secret" not in str(caught.value)


def test_the_pass_compares_again_after_midnight(bench: Bench) -> None:
    """A process that knows a row as equal compares it again the next day, because its weeks have rolled."""
    (package_id,) = prepared(bench, "flat")
    synchronizer = bench.synchronizer()
    for minutes in (1, 2):
        synchronizer.run(NOW + minutes * MINUTE)
    assert synchronizer.read(NOW + 3 * MINUTE).rows == []

    later = synchronizer.run(NOW + timedelta(days=7))

    assert (later.dirty, later.written) == (1, 1)
    assert bench.directory.row(package_id)["commits_over_52w"][-2:] == [3, 0]


def test_no_connection_is_kept_between_passes(bench: Bench) -> None:
    """A worker process holds a connection of the role during a pass only, because the role has few."""
    bench.directory.add("flat")
    synchronizer = bench.synchronizer()
    others = "select count(*) as number from pg_stat_activity where datname = current_database()"
    for minutes in (0, 1):
        synchronizer.run(NOW + minutes * MINUTE)
        wait_until(lambda: bench.directory.execute(others)[0]["number"] == 1, "the connection has ended")


def test_the_connection_is_lost_and_found_again(bench: Bench) -> None:
    """The server ends the connection: that pass reports it or connects again, and the next one writes."""
    (package_id,) = prepared(bench, "flat")
    synchronizer = bench.synchronizer()
    synchronizer.read(NOW)
    with psycopg.connect(bench.directory.url, autocommit=True) as owner:
        owner.execute("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()")

    results = [synchronizer.run(NOW + MINUTE), synchronizer.run(NOW + 2 * MINUTE)]

    assert (results[-1].fault, watchers(bench, package_id)) == (None, [84])


def test_no_change_is_written_for_a_row_that_became_equal(bench: Bench) -> None:
    """A row that another worker has written meanwhile is locked, compared and left as it is."""
    prepared(bench, "flat")
    slow = bench.synchronizer()
    compared = slow.compare(slow.read(NOW + MINUTE), NOW + MINUTE)
    bench.run(NOW + MINUTE)
    before = bench.directory.everything()

    done = slow.write(compared, SitePass(NOW, NOW), NOW + MINUTE)

    assert isinstance(compared.dirty[0], RowChange)
    assert (done.written, bench.directory.everything()) == (0, before)
