"""Freshness on the page and in the API: ages, the lag of the last hour, and the feed of releases."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from fetcher.domain.errors import BrokerError
from fetcher.domain.lag import ChangeKind
from fetcher.domain.model import DueReason, Source
from fetcher.domain.views import RecentLag
from fetcher.ports import Checkpoint
from tests.component.web.conftest import Harness

MINUTE = timedelta(minutes=1)


def fill(harness: Harness) -> None:
    (a,) = harness.catalogue.add("a", project=True)
    harness.catalogue.answer(a, Source.REPOSITORY, observed_at=harness.clock.now() - 7 * MINUTE)
    harness.runtime.recent_lags = [
        RecentLag(ChangeKind.PUSH, 12, 2 * MINUTE, 5 * MINUTE),
        RecentLag(ChangeKind.RELEASE, 0, None, None),
    ]
    read_at = harness.clock.now() - 2 * MINUTE
    harness.store.checkpoints.save(Checkpoint("pypi_feed", read_at, outcome="fetched"))


def page(harness: Harness) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", harness.client.get("/").text))


def test_the_page_shows_the_lag_of_the_last_hour(harness: Harness) -> None:
    """Percentiles and number of the pushes, no figure for the releases that did not come, and the feed's last poll."""
    fill(harness)
    text = page(harness)
    assert (
        "Time from a change to its stored value, in the last hour: pushes p50 2 min, p95 5 min (12); releases none."
        in text
    )
    assert "Feed of PyPI: last read 2 min ago, without a gap so far." in text


def test_the_page_shows_a_gap(harness: Harness) -> None:
    """A gap that is not closed is marked."""
    fill(harness)
    at = harness.clock.now() - 2 * MINUTE
    harness.store.checkpoints.save(Checkpoint("pypi_feed_gap", at, outcome="open", message="x"))
    assert (
        '<strong class="bad">last read 2 min ago, last gap 2 min ago, not closed yet</strong>'
        in harness.client.get("/").text
    )


def test_without_redis_no_lag_looks_current(harness: Harness) -> None:
    """The page says that it is unknown; the API returns null, and ages from the database all the same."""
    fill(harness)
    harness.runtime.error = BrokerError("Redis cannot be reached", "Start it")
    assert "in the last hour: unknown while Redis is unavailable." in page(harness)
    found = harness.client.get("/api/v4/freshness").json()
    assert (found["lag"], found["lag_at"]) == (None, None)
    assert found["sources"][0]["age_p50"] is not None


def test_the_api_has_the_same_figures(harness: Harness) -> None:
    """Seconds, times with their zone, and the changes that each source shows."""
    fill(harness)
    answer = harness.client.get("/api/v4/freshness")
    assert answer.headers["cache-control"] == "no-store"
    found = answer.json()
    assert found["lag"] == [
        {"kind": "push", "changes": 12, "p50": 120.0, "p95": 300.0},
        {"kind": "release", "changes": 0, "p50": None, "p95": None},
    ]
    assert len(found["intervals"]) >= 1
    assert found["index_interval"] == 86400
    repository = found["sources"][0]
    assert (repository["source"], repository["packages"], repository["fetched"]) == ("repository", 1, 1)
    assert 6 * 60 <= repository["age_p50"] <= 8 * 60
    assert found["sources"][3]["changes"] == "releases"
    assert found["feeds"] == [
        {
            "upstream": "pypi",
            "offered": True,
            "read_at": (harness.clock.now() - 2 * MINUTE).isoformat(),
            "fault": None,
            "gap_at": None,
            "gap_open": False,
        }
    ]


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        (DueReason.FEED, "the index&#39;s feed names a new release"),
        (DueReason.HINT, "a webhook of its forge reports an event"),
    ],
)
def test_a_package_states_why_it_is_checked_next(harness: Harness, reason: DueReason, shown: str) -> None:
    """The package's page has the time and the reason of the next check."""
    (a,) = harness.catalogue.add("a", project=True)
    now = harness.clock.now()
    harness.catalogue.answer(a, Source.INDEX, observed_at=now - MINUTE, due_at=now + 60 * MINUTE)
    harness.store.claims.make_packages_due([a], [Source.INDEX], reason, now - MINUTE)
    text = harness.client.get("/packages/a").text
    assert shown in text
    assert "due for 60 s" in text
