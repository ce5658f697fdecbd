"""``/metrics``: what is told while everything answers, and while a part does not."""

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
from fetcher.http.messages import Resource
from fetcher.monitoring import COUNTED
from fetcher.ports import PLANNED, Marker
from fetcher.quota import QuotaStatus
from fetcher.web.metrics import MOST_QUOTAS
from tasks.inspection import QueueState
from tests.stores import DAY, HOUR, answered, failed
from tests.unit.web.conftest import Browser, House

Told = dict[tuple[str, ...], float]


def told(client: Browser) -> Told:
    """All samples, by name and the labels' values in the order of their names."""
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


@pytest.fixture(autouse=True)
def _busy(house: House) -> None:
    """A directory at work."""
    now = house.clock.now()
    house.store.save_marker(Marker(PLANNED, observed_at=now - timedelta(seconds=30)))
    house.workings.states = [
        QueueState("now", 0, ("a@h", "b@h"), 3),
        QueueState("background", 7, ("b@h",), 3, 2, 1, now - timedelta(seconds=45)),
    ]
    house.workings.quota = [
        QuotaStatus("account:1", Resource.GRAPHQL, 5000, 4321, now + timedelta(minutes=9), None, None, 2),
        QuotaStatus("account:1", Resource.CORE, None, None, None, now + timedelta(seconds=90), "told to wait", 0),
    ]
    house.workings.counted = {"fetcher_refreshes|pypi|fetched|": 12.0}


def test_everything_answers(house: House) -> None:
    """Counters, queues, quotas, beat, the version and the intervals."""
    found, now = told(house.client), house.clock.now()
    assert found["fetcher_part_up", "database"] == found["fetcher_part_up", "redis"] == 1
    assert found["fetcher_build_info", __version__] == 1
    assert found["fetcher_refresh_interval_seconds",] == 86400
    assert found["fetcher_last_plan_timestamp_seconds",] == now.timestamp() - 30
    assert found["fetcher_refreshes_total", "fetched", "pypi"] == 12
    assert found["fetcher_queue_messages", "background"] == 7
    assert found["fetcher_queue_consumers", "now"] == 2
    assert found["fetcher_queue_oldest_message_seconds", "background"] == 45
    assert found["fetcher_queue_oldest_message_seconds", "now"] == 0
    assert found["fetcher_queue_reserved_messages", "background"] == 2
    assert found["fetcher_queue_running_tasks", "background"] == 1
    assert found["fetcher_workers",] == 2
    assert found["fetcher_unacknowledged_messages",] == 3
    assert found["fetcher_quota_limit", "account:1", "graphql"] == 5000
    assert found["fetcher_quota_remaining", "account:1", "graphql"] == 4321
    assert found["fetcher_quota_reset_timestamp_seconds", "account:1", "graphql"] == now.timestamp() + 540
    assert found["fetcher_quota_reserved_requests", "account:1", "graphql"] == 2
    assert found["fetcher_paused_seconds", "account:1", "graphql"] == 0
    assert found["fetcher_paused_seconds", "account:1", "core"] == 90
    assert ("fetcher_quota_limit", "account:1", "core") not in found


def test_how_the_directory_stands(house: House) -> None:
    """Ages by bucket, what is due, what fails by kind, and packages by state, at the moment of the scrape."""
    ids = house.catalogue.add("alpha", "beta", "gamma", project=True)
    now = house.clock.now()
    claim = house.catalogue.claim(Source.PYPI, now=now)
    old, young = now - timedelta(hours=20), now - timedelta(minutes=5)
    house.store.record(
        [
            answered(ids[0], Source.PYPI, lease=claim.lease, observed_at=young, due_at=now + DAY),
            answered(ids[1], Source.PYPI, lease=claim.lease, observed_at=old, due_at=now - HOUR * 9),
            failed(ids[2], Source.PYPI, "malformed", lease=claim.lease, observed_at=young, due_at=now + DAY),
        ]
    )
    found = told(house.client)
    name = "fetcher_answer_age_seconds_bucket"
    ages = {labels[1]: n for labels, n in found.items() if labels[0] == name and labels[2] == "pypi"}
    assert list(ages.values()) == sorted(ages.values())
    assert (ages["3600"], ages["64800"], ages["86400"], ages["+Inf"]) == (1, 1, 2, 2)
    assert found["fetcher_answer_age_seconds_gsum", "pypi"] == pytest.approx(20 * 3600 + 300, rel=0.05)
    assert found["fetcher_oldest_answer_age_seconds", "pypi"] == pytest.approx(20 * 3600, abs=1)
    assert found["fetcher_followed_packages", "pypi"] == 3
    assert found["fetcher_answered_packages", "pypi"] == 2
    assert found["fetcher_due_packages", "pypi"] == found["fetcher_overdue_packages", "pypi"] == 1
    assert found["fetcher_failing_packages", "malformed", "pypi"] == 1
    assert found["fetcher_packages", "failing"] == 1
    assert sum(n for labels, n in found.items() if labels[0] == "fetcher_packages") == 3
    assert ("fetcher_oldest_answer_age_seconds", "github") not in found
    assert found["fetcher_figures_age_seconds",] == 0
    house.clock.advance(timedelta(hours=30))
    assert told(house.client)["fetcher_due_packages", "pypi"] == 3


def test_a_kind_that_nobody_declared(house: House, tmp_path: Path) -> None:
    """A database of another version may hold any outcome: it can be read, and no label comes of it."""
    (package,) = house.catalogue.add("alpha", project=True)
    house.store.record([failed(package, Source.PYPI, observed_at=house.clock.now(), lease=None)])
    with sqlite3.connect(tmp_path / "web.db") as connection:
        connection.execute("UPDATE source_states SET outcome = 'invented', due_reason = 'strange' WHERE failures > 0")
    connection.close()
    state = house.catalogue.state("alpha", Source.PYPI)
    assert (state.outcome, state.due_reason) == (OutcomeKind.TRANSIENT, None)
    found = told(house.client)
    assert [labels for labels in found if labels[0] == "fetcher_failing_packages"] == [
        ("fetcher_failing_packages", "other", "pypi")
    ]


def test_openmetrics_is_told_to_who_asks_for_it(client: Browser) -> None:
    """The newer form parses by its own, stricter parser."""
    answer = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    names = {family.name for family in read_openmetrics(answer.text)}
    assert {metric.name for metric in COUNTED} <= names


def test_redis_is_away(house: House) -> None:
    """What the database knows is told all the same, and that Redis is down."""
    house.workings.fault = BrokerError("Redis cannot be reached", "Start it")
    found = told(house.client)
    assert (found["fetcher_part_up", "database"], found["fetcher_part_up", "redis"]) == (1, 0)
    assert ("fetcher_last_plan_timestamp_seconds",) in found
    assert not [name for name, *_ in found if name.startswith(("fetcher_queue", "fetcher_refreshes"))]


def test_the_database_is_away(unfounded: Browser) -> None:
    """And the other way round."""
    found = told(unfounded)
    assert (found["fetcher_part_up", "database"], found["fetcher_part_up", "redis"]) == (0, 1)
    assert ("fetcher_queue_messages", "background") in found
    assert ("fetcher_last_plan_timestamp_seconds",) not in found


def test_nothing_was_ever_planned(house: House) -> None:
    """Beat is silent since 1970: the rule that looks for its age fires."""
    house.store.save_marker(Marker(PLANNED))
    assert told(house.client)["fetcher_last_plan_timestamp_seconds",] == 0


def test_identities_are_bounded(house: House) -> None:
    """Nothing closes their set, so no more than a few are told."""
    house.workings.quota = [QuotaStatus(f"a:{n}", Resource.CORE, 1, 1, None, None, None, 0) for n in range(100)]
    found = told(house.client)
    assert len([name for name, *_ in found if name == "fetcher_quota_limit"]) == MOST_QUOTAS
