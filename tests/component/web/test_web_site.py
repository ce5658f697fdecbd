"""The last pass over a site's own database, on the page and in the metrics."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from pydantic import SecretStr

from fetcher.domain.sites import SITE, SitePass
from fetcher.settings import Settings
from fetcher.web import make_app
from tests.component.web.conftest import Browser, Harness
from tests.harness.clock import HOUR, NOW

DONE = SitePass(
    NOW, NOW, "F4", packages=12, dirty=3, written=2, touched=4, locked=1, skipped=5, reasons={"<host> not served": 5}
)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Return the settings of an installation with a site."""
    return settings.model_copy(update={"site_url": SecretStr("postgresql://fetcher_site@db.test/site")})


def test_before_the_first_pass_nothing_is_shown(harness: Harness) -> None:
    """There is neither a panel nor a metric of the site."""
    assert 'id="site"' not in harness.client.get("/").text
    assert not re.search(r"^fetcher_site", harness.client.get("/metrics").text, re.MULTILINE)


def test_the_panel_has_the_counters_and_the_reasons(harness: Harness) -> None:
    """The overview shows the last reading, its results, and the number of skipped rows by reason, escaped."""
    harness.store.sites.save_pass(SITE, DONE)
    text = harness.client.get("/").text
    assert "2 changed, 4 confirmed, 1 locked by others, 5 skipped" in text
    assert "5 skipped: &lt;host&gt; not served" in text


def test_a_fault_is_shown_with_its_age(harness: Harness) -> None:
    """A site that cannot be reached is a problem on the overview, and 0 in the metrics."""
    failing = replace(DONE, fault="the site's database cannot be reached", failing_since=NOW - HOUR)
    harness.store.sites.save_pass(SITE, failing)
    assert "database cannot be reached" in harness.client.get("/").text
    assert "fetcher_site_up 0.0" in harness.client.get("/metrics").text


def test_the_fault_of_a_removed_site_is_not_shown(harness: Harness) -> None:
    """Nothing corrects the last pass once the site has left the settings: its alert must end."""
    failing = replace(DONE, fault="the site's database cannot be reached", failing_since=NOW - HOUR)
    harness.store.sites.save_pass(SITE, failing)
    removed = replace(harness.context, settings=Settings(web_hosts="directory.test"))
    client = Browser(make_app(removed))
    assert 'id="site"' not in client.get("/").text
    assert not re.search(r"^fetcher_site", client.get("/metrics").text, re.MULTILINE)
    client.close()


def test_the_metrics(harness: Harness) -> None:
    """Each result of the last pass is a sample."""
    harness.store.sites.save_pass(SITE, DONE)
    text = harness.client.get("/metrics").text
    assert "fetcher_site_up 1.0" in text
    (last,) = re.findall(r"^fetcher_site_last_pass_timestamp_seconds (\S+)$", text, re.MULTILINE)
    assert float(last) == NOW.timestamp()
    for result, number in {
        "read": 12,
        "different": 3,
        "written": 2,
        "last_fetched": 4,
        "locked": 1,
        "skipped": 5,
    }.items():
        assert f'fetcher_site_rows{{result="{result}"}} {number}.0' in text
