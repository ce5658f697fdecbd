"""``/metrics`` while all dependencies are available, and while one is not."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from fetcher import __version__
from fetcher.domain.errors import BrokerError
from fetcher.domain.model import OutcomeKind, Source
from fetcher.monitoring import COUNTED
from fetcher.ports import PLANNED, Checkpoint
from fetcher.quota import QuotaStatus
from fetcher.upstreams.github.limits import GITHUB, Resource
from fetcher.web.metrics import MOST_QUOTAS
from tasks.inspection import QueueState
from tests.component.web.conftest import Browser, Harness
from tests.harness.clock import DAY, HOUR
from tests.harness.stores import answered, failed

Samples = dict[tuple[str, ...], float]


def scrape(client: Browser) -> Samples:
    """Return all samples by name and label values, the latter in the order of their names."""
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


@pytest.fixture(autouse=True)
def _busy(harness: Harness) -> None:
    """Provide queues, quota and counters of a running installation."""
    now = harness.clock.now()
    harness.store.checkpoints.save(Checkpoint(PLANNED, observed_at=now - timedelta(seconds=30)))
    harness.runtime.states = [
        QueueState("manual", 0, ("a@h", "b@h"), 3),
        QueueState("background", 7, ("b@h",), 3, 2, 1, now - timedelta(seconds=45)),
    ]
    harness.runtime.quota = [
        QuotaStatus("account:1", GITHUB, Resource.GRAPHQL, 5000, 4321, now + timedelta(minutes=9), None, None, 2),
        QuotaStatus(
            "account:1", GITHUB, Resource.CORE, None, None, None, now + timedelta(seconds=90), "Retry-After", 0
        ),
    ]
    harness.runtime.counted = {"fetcher_refreshes|index|fetched|": 12.0}


def test_all_dependencies_are_available(harness: Harness) -> None:
    """Counters, queues, quotas, beat, version and intervals are exported."""
    found, now = scrape(harness.client), harness.clock.now()
    assert found["fetcher_dependency_up", "database"] == found["fetcher_dependency_up", "redis"] == 1
    assert found["fetcher_build_info", __version__] == 1
    assert found["fetcher_refresh_interval_seconds",] == 86400
    assert found["fetcher_last_plan_timestamp_seconds",] == now.timestamp() - 30
    assert found["fetcher_refreshes_total", "fetched", "index"] == 12
    assert found["fetcher_queue_messages", "background"] == 7
    assert found["fetcher_queue_consumers", "manual"] == 2
    assert found["fetcher_queue_oldest_message_age_seconds", "background"] == 45
    assert found["fetcher_queue_oldest_message_age_seconds", "manual"] == 0
    assert found["fetcher_queue_reserved_messages", "background"] == 2
    assert found["fetcher_queue_running_tasks", "background"] == 1
    assert found["fetcher_workers",] == 2
    assert found["fetcher_unacknowledged_messages",] == 3
    assert found["fetcher_quota_limit", "account:1", "graphql", "github"] == 5000
    assert found["fetcher_quota_remaining", "account:1", "graphql", "github"] == 4321
    assert found["fetcher_quota_reset_timestamp_seconds", "account:1", "graphql", "github"] == now.timestamp() + 540
    assert found["fetcher_quota_reserved_requests", "account:1", "graphql", "github"] == 2
    assert found["fetcher_paused_seconds", "account:1", "graphql", "github"] == 0
    assert found["fetcher_paused_seconds", "account:1", "core", "github"] == 90
    assert ("fetcher_quota_limit", "account:1", "core", "github") not in found


def test_catalogue(harness: Harness) -> None:
    """Ages by bucket, due packages, failures by kind and packages by state hold at the time of the scrape."""
    ids = harness.catalogue.add("alpha", "beta", "gamma", project=True)
    now = harness.clock.now()
    claim = harness.catalogue.claim(Source.INDEX, now=now)
    old, young = now - timedelta(hours=20), now - timedelta(minutes=5)
    harness.store.claims.record(
        [
            answered(ids[0], Source.INDEX, lease=claim.lease, observed_at=young, due_at=now + DAY),
            answered(ids[1], Source.INDEX, lease=claim.lease, observed_at=old, due_at=now - HOUR * 9),
            failed(ids[2], Source.INDEX, "malformed", lease=claim.lease, observed_at=young, due_at=now + DAY),
        ]
    )
    found = scrape(harness.client)
    name = "fetcher_answer_age_seconds_bucket"
    ages = {labels[1]: n for labels, n in found.items() if labels[0] == name and labels[2] == "index"}
    assert list(ages.values()) == sorted(ages.values())
    assert (ages["3600"], ages["64800"], ages["86400"], ages["+Inf"]) == (1, 1, 2, 2)
    assert found["fetcher_answer_age_seconds_gsum", "index"] == pytest.approx(20 * 3600 + 300, rel=0.05)
    assert found["fetcher_oldest_answer_age_seconds", "index"] == pytest.approx(20 * 3600, abs=1)
    assert found["fetcher_followed_packages", "index"] == 3
    assert found["fetcher_answered_packages", "index"] == 2
    assert found["fetcher_due_packages", "index"] == found["fetcher_overdue_packages", "index"] == 1
    assert found["fetcher_failing_packages", "malformed", "index"] == 1
    assert found["fetcher_packages", "failing"] == 1
    assert sum(n for labels, n in found.items() if labels[0] == "fetcher_packages") == 3
    assert ("fetcher_oldest_answer_age_seconds", "repository") not in found
    assert found["fetcher_figures_age_seconds",] == 0
    harness.clock.advance(timedelta(hours=30))
    assert scrape(harness.client)["fetcher_due_packages", "index"] == 3


def test_an_undeclared_kind(harness: Harness, tmp_path: Path) -> None:
    """An outcome that this version does not know, of another version's database, has the label ``other``."""
    (package,) = harness.catalogue.add("alpha", project=True)
    harness.store.claims.record([failed(package, Source.INDEX, observed_at=harness.clock.now(), lease=None)])
    with sqlite3.connect(tmp_path / "web.db") as connection:
        connection.execute("UPDATE source_states SET outcome = 'invented', due_reason = 'strange' WHERE failures > 0")
    connection.close()
    state = harness.catalogue.state("alpha", Source.INDEX)
    assert (state.outcome, state.due_reason) == (OutcomeKind.TRANSIENT, None)
    found = scrape(harness.client)
    assert [labels for labels in found if labels[0] == "fetcher_failing_packages"] == [
        ("fetcher_failing_packages", "other", "index")
    ]


def test_openmetrics_on_request(client: Browser) -> None:
    """The OpenMetrics format passes its stricter parser."""
    answer = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    names = {family.name for family in read_openmetrics(answer.text)}
    assert {metric.name for metric in COUNTED} <= names


def test_redis_is_unavailable(harness: Harness) -> None:
    """The database's metrics are still exported, and Redis is reported as down."""
    harness.runtime.error = BrokerError("Redis cannot be reached", "Start it")
    found = scrape(harness.client)
    assert (found["fetcher_dependency_up", "database"], found["fetcher_dependency_up", "redis"]) == (1, 0)
    assert ("fetcher_last_plan_timestamp_seconds",) in found
    assert not [name for name, *_ in found if name.startswith(("fetcher_queue", "fetcher_refreshes"))]


def test_the_database_is_unavailable(client_without_database: Browser) -> None:
    """Redis's metrics are still exported, and the database is reported as down."""
    found = scrape(client_without_database)
    assert (found["fetcher_dependency_up", "database"], found["fetcher_dependency_up", "redis"]) == (0, 1)
    assert ("fetcher_queue_messages", "background") in found
    assert ("fetcher_last_plan_timestamp_seconds",) not in found


def test_nothing_was_ever_planned(harness: Harness) -> None:
    """The last plan has timestamp 0, so that the alert on its age fires."""
    harness.store.checkpoints.save(Checkpoint(PLANNED))
    assert scrape(harness.client)["fetcher_last_plan_timestamp_seconds",] == 0


def test_accounts_of_two_hosts_are_two_series(harness: Harness) -> None:
    """Two hosts may have the same identity and resource: without their upstream the samples would be one series."""
    names = ("codeberg.org", "forge.example")
    harness.runtime.quota = [
        QuotaStatus("anonymous", name, "api", limit, limit, None, None, None, 0) for limit, name in enumerate(names, 1)
    ]
    found = scrape(harness.client)
    assert [found["fetcher_quota_limit", "anonymous", "api", name] for name in names] == [1, 2]


def test_identities_are_bounded(harness: Harness) -> None:
    """At most ``MOST_QUOTAS`` identities are exported, because their set is unbounded."""
    harness.runtime.quota = [
        QuotaStatus(f"a:{n}", GITHUB, Resource.CORE, 1, 1, None, None, None, 0) for n in range(100)
    ]
    found = scrape(harness.client)
    assert len([name for name, *_ in found if name == "fetcher_quota_limit"]) == MOST_QUOTAS


def test_the_feed_of_releases(harness: Harness) -> None:
    """The last poll, the last gap and its state are exported once the feed was polled."""
    assert ("fetcher_feed_gap_open", "pypi") not in scrape(harness.client)
    now = harness.clock.now()
    harness.store.checkpoints.save(Checkpoint("pypi_feed", now - timedelta(minutes=2), outcome="not_modified"))
    harness.store.checkpoints.save(Checkpoint("pypi_feed_gap", now - timedelta(hours=1), outcome="open", message="x"))
    found = scrape(harness.client)
    assert found["fetcher_feed_read_timestamp_seconds", "pypi"] == now.timestamp() - 120
    assert found["fetcher_feed_gap_timestamp_seconds", "pypi"] == now.timestamp() - 3600
    assert found["fetcher_feed_gap_open", "pypi"] == 1
    harness.store.checkpoints.save(Checkpoint("pypi_root", now - timedelta(minutes=30), outcome="fetched"))
    assert scrape(harness.client)["fetcher_feed_gap_open", "pypi"] == 0
