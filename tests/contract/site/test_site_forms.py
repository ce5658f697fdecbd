"""Forms of the site's tables, the role that `grants` prints, and the seeds through the site's rows and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from sqlalchemy import make_url

from fetcher.domain.commit_weeks import rolling_weeks
from fetcher.domain.errors import UnsupportedSite
from fetcher.domain.model import CommitDays, Contribution, Contributors, Source
from fetcher.domain.sites import GonePolicy
from fetcher.store import SqlStore
from tests.contract.site.conftest import Bench, project
from tests.harness.clock import MINUTE
from tests.harness.directory import Directory
from tests.harness.seeds import SEEDS
from tests.harness.stores import NOW, Catalogue, stats

DOCUMENTS = sorted(SEEDS.glob("*.json"))


@pytest.fixture
def form(request: pytest.FixtureRequest, empty_postgres_url: str, store: SqlStore) -> Iterator[Bench]:
    """Provide a site of the given form."""
    directory = Directory(empty_postgres_url)
    directory.create(request.param)
    found = Bench(directory, store)
    yield found
    for site in found.opened:
        site.close()


@contextmanager
def restricted(bench: Bench) -> Iterator[str]:
    """Yield the address of the role that `grants` prints; close the role's connections at the end."""
    with bench.directory.restricted(bench.gone) as url:
        yield url
        for site in bench.opened:
            site.close()


@pytest.mark.parametrize("form", ["F4", "F3", "F2"], indirect=True)
def test_each_form_is_written_under_the_role_that_grants_prints(form: Bench, request: pytest.FixtureRequest) -> None:
    """The role writes every column that the form has, adds versions also where their id is serial, and no more."""
    wanted = request.node.callspec.params["form"]
    package_id = form.directory.add("flat", pypi_url="flat")
    with restricted(form) as url:
        role = form.synchronizer(url)
        assert role.run(NOW).fault is None
        form.answer(package_id)
        before = form.directory.row(package_id)

        done = role.run(NOW + MINUTE)

        row = form.directory.row(package_id)
        changed = {name for name, value in row.items() if value != before[name]}
        common = {"repo_description", "repo_watchers", "repo_forks", "participants", "pypi_classifiers", "pypi_license"}
        common |= {"pypi_requires_python", "supports_python3", "pypi_licenses", "documentation_url", "score"}
        newer = {"commits_over_52w", "last_commit_date", "commit_count", "latest_version_id"}
        assert (done.fault, done.form, done.written) == (None, wanted, 1)
        assert changed == common | {"last_fetched"} | (newer if wanted != "F2" else set())
        (version,) = form.directory.versions(package_id)
        assert (version["number"], version["downloads"]) == ("1.0.0", -1 if wanted == "F2" else 0)
        assert form.synchronizer(url).run(NOW + 2 * MINUTE).dirty == 0
        assert [one.message for one in form.site(url).check() if not one.ok] == []


@pytest.mark.parametrize("form", ["F4"], indirect=True)
def test_the_role_cannot_touch_an_editors_word(form: Bench) -> None:
    """Neither a title nor an address, a deletion or a new package is possible with the printed rights."""
    form.directory.add("flat")
    with restricted(form) as url:
        for statement in (
            "update package_package set title = 'x'",
            "update package_package set pypi_url = 'x', repo_watchers = 1",
            "update package_package set modified = now()",
            "update package_package set date_deprecated = now()",
            "delete from package_version",
            "insert into package_package select * from package_package",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), psycopg.connect(url) as role:
                role.execute(statement)


@pytest.mark.parametrize("form", ["F4"], indirect=True)
def test_a_right_that_is_revoked_costs_its_column_alone(form: Bench) -> None:
    """The owner revokes a column: the others are written, and the check names it. Without any, it is reported."""
    package_id = form.directory.add("flat", pypi_url="flat")
    with restricted(form) as url:
        name = str(make_url(url).username)
        form.synchronizer(url).run(NOW)
        form.answer(package_id)
        form.directory.execute(f"revoke update (repo_watchers) on package_package from {name}")

        done = form.synchronizer(url).run(NOW + MINUTE)

        row = form.directory.row(package_id)
        faults = [one.message for one in form.site(url).check() if not one.ok]
        assert (done.fault, row["repo_watchers"], row["repo_forks"]) == (None, 0, 32)
        assert faults == ["the role may not write repo_watchers of package_package"]

        form.directory.execute(f"revoke all on package_package from {name}")
        form.directory.execute(f"revoke select (id) on package_package from {name}")  # noqa: S608
        assert "may not read id" in str(form.synchronizer(url).run(NOW + 2 * MINUTE).fault)


@pytest.mark.parametrize("form", ["F4"], indirect=True)
def test_the_policy_adds_one_right(form: Bench) -> None:
    """With the policy `date_deprecated` the role may set that column, and the check is content."""
    form.gone = GonePolicy.DEPRECATE
    form.directory.add("flat")
    with restricted(form) as url:
        assert [one.message for one in form.site(url).check() if not one.ok] == []
        with psycopg.connect(url) as role:
            role.execute("update package_package set date_deprecated = now()")


@pytest.mark.parametrize("form", ["F1"], indirect=True)
def test_an_older_form_is_refused_in_words(form: Bench) -> None:
    """A site before 2021-09 is neither read nor written, and the message names the missing column."""
    form.directory.add("flat")
    with pytest.raises(UnsupportedSite, match="no column score"):
        form.site().inspect()
    assert "no column score" in str(form.run().fault)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_a_seed_through_the_sites_row_and_back(path: Path, bench: Bench) -> None:
    """A blank row of the site is filled from the stored values, and its API's document equals the seed's bytes."""
    document = json.loads(path.read_text("utf-8"))
    today = datetime.fromisoformat(document["last_fetched"])
    query = "?format=api" if document["category"].endswith("?format=api") else ""
    bench.directory.add_document(document)
    bench.run(today)
    _answer(bench, document, today)

    assert bench.run(today + MINUTE).written == 1

    found = bench.directory.document(document["id"], query)
    assert json.dumps(found, ensure_ascii=False, indent=4) == path.read_text("utf-8").rstrip("\n")


def _answer(bench: Bench, document: dict[str, Any], at: datetime) -> None:
    """Record the responses from which a document's values follow."""
    catalogue, package_id = Catalogue(bench.store), document["id"]
    weeks, people = document["commits_over_52"], document["participants"]
    start = at.astimezone(ZoneInfo("UTC")).date()
    days = CommitDays(
        start.fromordinal(start.toordinal() - 364), tuple(n for week in weeks for n in (week, *[0] * 6)), 99
    )
    assert list(rolling_weeks(days, start)) == weeks
    updated = datetime.fromisoformat(document["last_updated"])
    repository = stats(
        full_name="o/r",
        stars=document["repo_watchers"],
        forks=document["repo_forks"],
        description=document["repo_description"],
        head_committed_at=updated,
    )
    info = replace(project("1").info, documentation_url=None)  # type: ignore[type-var]
    values = {
        Source.REPOSITORY: repository,
        Source.COMMITS: days,
        Source.CONTRIBUTORS: Contributors(tuple(Contribution(login, 1) for login in people)),
        Source.INDEX: project(document["pypi_version"], info=info),
    }
    for source, value in values.items():
        catalogue.answer(package_id, source, value, observed_at=at)
