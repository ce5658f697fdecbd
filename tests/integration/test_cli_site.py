"""`fetcher site` as the maintainer of a site runs it: check, dry run, passes, the way back; and the workers' passes."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from fetcher.domain.sites import SITE, SitePass
from fetcher.ports import PLANNED
from fetcher.settings import read_settings
from fetcher.simulator.server import Simulator
from fetcher.wiring import open_store
from tests.harness.directory import Directory
from tests.harness.seeds import SEEDS
from tests.harness.stack import simulated, stack, variables
from tests.integration.conftest import Fetcher

SEEDED = [json.loads(path.read_text("utf-8")) for path in sorted(SEEDS.glob("*.json"))]
WAIT = ("--max-wait", "10m")


@pytest.fixture
def directory(empty_postgres_url: str) -> Directory:
    """Provide a site whose five packages were never fetched, and one on a host without an upstream."""
    found = Directory(empty_postgres_url)
    found.create()
    for document in SEEDED:
        found.add_document(document)
    found.add("local", repo_url="https://localhost/owner/local")
    return found


@pytest.fixture
def site(fetcher: Fetcher, directory: Directory) -> Fetcher:
    """Provide the command with the site's database."""
    fetcher.settings.update(site_url=directory.url)
    return fetcher


def documents(directory: Directory) -> list[dict[str, Any]]:
    """Return each package's document without its last fetch, which is now."""
    found = []
    for document in SEEDED:
        query = "?format=api" if document["category"].endswith("api") else ""
        found.append({**directory.document(document["id"], query), "last_fetched": document["last_fetched"]})
    return found


def test_a_dry_run_then_a_pass_then_the_way_back(site: Fetcher, directory: Directory) -> None:
    """The dry run lists what the pass then writes, the documents equal the seeds, and `revert` restores the site."""
    before = directory.everything()

    dry = site("site", "sync", "--dry-run", *WAIT)

    assert (dry.status, directory.everything()) == (0, before)
    assert "django-flatblocks.repo_watchers: 0 -> 84" in dry.out
    assert 'django-flatblocks.version.number: null -> "1.0.0"' in dry.out
    assert 'django-organizations.repo_description: "" -> ":couple: Multi-user accounts for Django projects"' in dry.out
    assert re.search(r'^django-vies\.participants: "" -> "[\w-]+,', dry.out, re.MULTILINE)
    assert "skipped local: left to the site's own updater: the repository's host is not served" in dry.out
    assert re.search(
        r"^5 packages would change, in \d+ columns; last_fetched alone in 0; 0 equal; 0 not fetched yet; 1 skipped; "
        r"nothing was written$",
        dry.out,
        re.MULTILINE,
    )
    listed = json.loads(site("site", "sync", "--dry-run", "--no-refresh", "--json").out)
    assert {one["slug"] for one in listed["changes"]} == {document["slug"] for document in SEEDED}
    assert listed["skipped"] == [
        {"slug": "local", "reason": "left to the site's own updater: the repository's host is not served"}
    ]

    done = json.loads(site("site", "sync", "--no-refresh", "--json").out)

    assert (done["written"], done["skipped"], done["fault"]) == (5, 1, None)
    assert documents(directory) == SEEDED
    again = json.loads(site("site", "sync", "--no-refresh", "--json").out)
    assert (again["dirty"], again["written"], again["touched"]) == (0, 0, 0)

    reverted = site("site", "revert")

    packages = [row for row in directory.everything() if any(name == "slug" for name, _ in row)]
    assert (reverted.status, "restored" in reverted.err) == (0, True)
    assert packages == before
    assert "site_revert" in site("audit").out


def test_status_and_failures_show_the_site(site: Fetcher, directory: Directory) -> None:
    """After a pass both name its counters and the packages left out; a fault is named with its remedy."""
    site("site", "sync", "--no-refresh")

    assert re.search(
        r"^site: 6 packages \(F4\), compared \d+ s ago: 0 changed, 1 skipped$", site("status").out, re.MULTILINE
    )
    assert json.loads(site("status", "--json").out)["site"]["packages"] == 6
    reason = "the repository's host is not served"
    assert f"site, left to the site's own updater: {reason}: local" in site("failures").out

    with open_store(read_settings(variables(site.settings))) as store:
        now = datetime.now(UTC)
        store.sites.save_pass(SITE, SitePass(now, now, fault="it is read-only", failing_since=now - timedelta(hours=2)))
    for command in ("status", "failures"):
        assert "site: not synchronized for 2 h: it is read-only" in site(command).out

    address = site.settings.pop("site_url")
    for command in ("status", "failures"):
        assert "site" not in site(command).out
    site.settings["site_url"] = address

    directory.execute("alter table package_package rename to package_moved")
    broken = site("site", "sync", "--no-refresh")
    assert (broken.status, "no table package_package" in broken.err) == (2, True)


def test_check_and_grants(site: Fetcher, directory: Directory) -> None:
    """The owner's role can do too much, which the check reports with the remedy; doctor repeats it."""
    checked = site("site", "check")
    assert checked.status == 1
    assert "ok   tables of the form F4, current (since 2026-02-17)" in checked.out
    assert "fail the role may change editors' columns of package_package: title, slug, repo_url" in checked.out
    assert "fetcher site grants" in checked.out
    assert [one["ok"] for one in json.loads(site("site", "check", "--json").out)] == [True, False]
    assert "GRANT UPDATE (repo_description, repo_watchers" in site("site", "grants").out
    assert "site: the role may change editors' columns" in site("doctor").out


def test_a_role_with_few_rights_is_told_which_are_missing(site: Fetcher, directory: Directory) -> None:
    """Without rights the columns are named, `grants` still prints the SQL, and with some the pass warns of the rest."""
    name = f"little_{make_url(directory.url).database}"
    little = directory.url.replace("postgres@", f"{name}@")
    directory.execute(f"create role {name} login")
    try:
        denied = site("site", "check", site_url=little).complaint
        assert denied.startswith("the role may not read id, slug, title, repo_url")
        assert "Run the SQL that `fetcher site grants` prints" in denied
        assert "GRANT UPDATE (repo_description, repo_watchers" in site("site", "grants", site_url=little).out

        directory.execute(f"grant select on package_package to {name}")
        done = site("site", "sync", "--no-refresh", site_url=little)
        assert (done.status, "warning: the role may not write repo_description, repo_watchers" in done.err) == (0, True)
        assert "warning: the role may not read and add rows of package_version" in done.err
    finally:
        directory.execute(f"drop owned by {name}; drop role {name}")


def test_another_database_is_refused(site: Fetcher, directory: Directory, postgres_url: str) -> None:
    """A database without the site's tables, a missing one, and a server that is down have different errors."""
    other = site("site", "check", site_url=postgres_url)
    assert other.status == 2
    assert "the site's database has no table package_package. Check the database's name" in other.err
    missing = site("site", "check", site_url=directory.url.replace("/test_", "/none_")).complaint
    assert re.match(r"the site's database postgresql://postgres@/none_\w+ does not exist on its server\. ", missing)
    down = site("site", "check", site_url="postgres://fetcher_site:secret@127.0.0.1:9/site").complaint
    assert down.startswith("the site's database postgresql://fetcher_site:***@127.0.0.1:9/site cannot be reached. ")


def test_a_pause_of_all_work_refuses_passes(site: Fetcher, directory: Directory) -> None:
    """With all work paused, neither rows are written nor packages requested; comparing alone is allowed."""
    before = directory.everything()
    site("pause", "all", "--why", "moving the site")

    for command in (("site", "sync"), ("site", "sync", "--no-refresh"), ("site", "sync", "--dry-run")):
        assert "moving the site" in site(*command).complaint
    assert site("site", "sync", "--dry-run", "--no-refresh").status == 0

    assert directory.everything() == before


def test_without_a_site_the_setting_is_named(bare: Fetcher) -> None:
    """Each command names the variable that is missing."""
    for command in ("sync", "check", "grants", "revert"):
        assert bare("site", command).complaint == (
            "no site is configured. Set FETCHER_SITE_URL to the PostgreSQL address of its database"
        )


@pytest.mark.slow
def test_worker_and_beat_keep_the_site_up_to_date(
    directory: Directory, simulator: Simulator, redis_url: str, tmp_path: Path
) -> None:
    """Without any command, the catalogue is read, fetched and written; an editor's new row follows."""
    settings = {**simulated(simulator), "site_url": directory.url, "redis_url": redis_url, "plan_interval": 1}
    with stack(tmp_path / "stack", **settings) as running:
        running.worker()
        running.beat()
        running.until(lambda: documents(directory) == SEEDED, "the site's rows have all values")
        added = directory.add("again", repo_url="https://github.com/jazzband/django-flatblocks/")
        running.until(lambda: directory.row(added)["repo_watchers"] == 84, "a new row has its values")

        running.fetcher("pause", "--why", "moving the site")
        directory.edit(added, repo_watchers=1)
        since = running.store.checkpoints.get(PLANNED).observed_at
        running.until(lambda: running.store.checkpoints.get(PLANNED).observed_at != since, "beat and worker still run")
        running.fetcher("resume")
        running.until(lambda: directory.row(added)["repo_watchers"] == 84, "the row is compared again")
