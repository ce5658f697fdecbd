"""Counts, their labels, and their retention while Redis is unavailable."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.metrics_core import Metric
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from fetcher.domain.model import Deferral, DueReason, MadeDue, Observed, OutcomeKind, Purpose, Source
from fetcher.domain.outcome import NonValue, NotModified, Overloaded, Throttled, Transient, Unauthorized
from fetcher.http.messages import Answer, Fault, NoAnswer, Request, Response
from fetcher.monitoring import COUNTED, MetricsRecorder, RedisCounters
from fetcher.monitoring.definitions import OTHER, TASKS, Gauge, Histogram, TaskState
from fetcher.monitoring.families import families
from fetcher.monitoring.redis_store import SILENT
from fetcher.upstreams.github.limits import GITHUB, Resource, Route
from fetcher.upstreams.pypi.limits import PYPI
from tasks.app import app
from tests.harness.clock import NOW


def request_for(route: Route = Route.CONTRIBUTORS) -> Request:
    return Request(GITHUB, Resource.CORE, route, "https://api.github.invalid/x")


def samples(tally: MetricsRecorder) -> dict[tuple[str, ...], float]:
    """Return Prometheus's samples of a tally by name and label values."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families(tally.take())
        for sample in family.samples
    }


def test_requests_by_route_and_status() -> None:
    """Count each response under its status, and its seconds under the status's class."""
    tally = MetricsRecorder()
    tally.responded(request_for(), Response(200, {}, b"", 0.2), None)
    tally.responded(request_for(), Response(304, {}, b"", 0.05), NotModified())
    tally.responded(request_for(), Response(200, {}, b"", 400.0), None)
    tally.responded(request_for(), NoAnswer(Fault.TIMED_OUT, "x", 30.0, attempts=2), None)
    found = samples(tally)
    assert found["fetcher_requests_total", "github", "contributors", "200"] == 2
    assert found["fetcher_requests_total", "github", "contributors", "304"] == 1
    assert found["fetcher_requests_total", "github", "contributors", "timed_out"] == 2
    name = "fetcher_request_duration_seconds"
    buckets = [found[f"{name}_bucket", "github", "contributors", "2xx", le] for le in ("0.1", "0.25", "120", "+Inf")]
    assert buckets == [0, 1, 1, 2]
    assert found[f"{name}_sum", "github", "contributors", "2xx"] == pytest.approx(400.2)
    assert found[f"{name}_bucket", "github", "contributors", "3xx", "0.05"] == 1  # a bound is inclusive
    assert found[f"{name}_count", "github", "contributors", "none"] == 1


@pytest.mark.parametrize(
    ("outcome", "cause"),
    [
        (Unauthorized("x"), "rejected"),
        (Throttled("x"), "no_retry_after"),
        (Throttled("x", retry_after=timedelta(seconds=9)), "retry_after"),
        (Throttled("x", reset_at=NOW), "quota"),
    ],
)
def test_pauses_by_cause(outcome: NonValue, cause: str) -> None:
    """Count every outcome that starts a pause."""
    tally = MetricsRecorder()
    tally.responded(request_for(), Response(403, {}, b""), outcome)
    assert samples(tally)["fetcher_pauses_total", cause, "github"] == 1


def test_points_and_packages_of_batches() -> None:
    """Points count for each attempt and not for a 304; packages count where the batch has an outcome for them."""
    tally = MetricsRecorder()
    batch = replace(request_for(Route.STATISTICS), packages=100)
    tally.responded(batch, Response(200, {}, b"", 2.0, attempts=2), None)
    tally.responded(batch, Response(502, {}, b""), Overloaded("502"))
    tally.responded(replace(request_for(Route.HISTORY), packages=70, points=71), Response(200, {}, b""), None)
    tally.responded(request_for(), Response(304, {}, b""), NotModified())
    tally.responded(request_for(), NoAnswer(Fault.UNREACHABLE, "x"), Transient("x"))
    found = {
        name[0::2]: value
        for name, value in samples(tally).items()
        if value and name[0].endswith(("points_total", "packages_total"))
    }
    assert found == {
        ("fetcher_spent_points_total", "statistics"): 3,
        ("fetcher_spent_points_total", "history"): 71,
        ("fetcher_requested_packages_total", "statistics"): 100,
        ("fetcher_requested_packages_total", "history"): 70,
    }


def test_an_announced_end_of_the_api_version() -> None:
    """Count the responses that announce an end, by route, and keep the latest date as a Unix time."""
    tally = MetricsRecorder()
    tally.responded(request_for(), Response(200, {"deprecation": "true", "sunset": "@1836259200"}, b""), None)
    tally.responded(request_for(), Response(410, {"sunset": "Sat, 11 Mar 2028 00:00:00 GMT"}, b""), None)
    tally.responded(request_for(), Response(304, {"deprecation": "@1773100800"}, b""), NotModified())
    tally.responded(request_for(), Response(200, {}, b""), None)
    tally.responded(request_for(), NoAnswer(Fault.TIMED_OUT, "x"), None)
    tally.responded(request_for(Route.VIEWER), Response(200, {"sunset": "soon"}, b""), None)
    found = samples(tally)
    assert found["fetcher_deprecated_responses_total", "contributors"] == 3
    assert found["fetcher_deprecated_responses_total", "viewer"] == 1
    assert found["fetcher_sunset_timestamp_seconds", "contributors"] == 1836345600
    assert ("fetcher_sunset_timestamp_seconds", "viewer") not in found


def test_announcements_of_any_upstream_count() -> None:
    """Count the headers of an index as well: they are standard, and the route names the upstream."""
    recorder = MetricsRecorder()
    request = Request(PYPI, PYPI, "pypi_json", "https://index.invalid/x")
    recorder.responded(request, Response(200, {"sunset": "@1836259200"}, b""), None)
    found = samples(recorder)
    assert found["fetcher_deprecated_responses_total", "pypi_json"] == 1
    assert found["fetcher_sunset_timestamp_seconds", "pypi_json"] == 1_836_259_200


def test_a_date_that_could_not_be_reported_yields_to_a_newer_one() -> None:
    """Keep the later of two values of a gauge when figures are given back, and add up the sums."""
    tally = MetricsRecorder()
    tally.responded(request_for(), Response(200, {"sunset": "@100"}, b""), None)
    taken = tally.take()
    tally.responded(request_for(), Response(200, {"sunset": "@200"}, b""), None)
    tally.give_back(taken)
    assert samples(tally)["fetcher_sunset_timestamp_seconds", "contributors"] == 200
    tally.give_back(taken)
    found = samples(tally)
    assert found["fetcher_sunset_timestamp_seconds", "contributors"] == 100
    assert found["fetcher_deprecated_responses_total", "contributors"] == 1


def test_refreshes_by_source_and_outcome() -> None:
    """Count fetched and deferred sources, but not those only made due."""
    tally = MetricsRecorder()
    records = [
        Observed(1, Source.INDEX, "lease", NOW, None, outcome=OutcomeKind.FETCHED, answered=True),
        Deferral(2, Source.INDEX, "lease", NOW, NOW + timedelta(hours=1)),
        MadeDue(3, Source.COMMITS, NOW, DueReason.MOVED),
    ]
    tally.refreshed(Purpose.MANUAL, 3, records)
    found = samples(tally)
    counted = {labels[1:]: n for labels, n in found.items() if labels[0] == "fetcher_refreshes_total" and n}
    assert counted == {("index", "fetched"): 1, ("index", "deferred"): 1}
    assert found["fetcher_batch_packages_sum", "manual"] == 3


def test_tasks_and_leases() -> None:
    tally = MetricsRecorder()
    tally.task_ended("fetcher.plan", 0.3, TaskState.SUCCEEDED)
    tally.task_ended("fetcher.plan", 0.3, TaskState.FAILED)
    tally.leases_expired(4)
    tally.leases_expired(0)
    found = samples(tally)
    assert found["fetcher_tasks_total", "fetcher.plan", "failed"] == 1
    assert found["fetcher_task_duration_seconds_count", "fetcher.plan"] == 2
    assert found["fetcher_leases_expired_total",] == 4


def test_every_task_has_its_label() -> None:
    """Declare exactly the existing tasks as the label's values."""
    app.loader.import_default_modules()
    assert sorted(name for name in app.tasks if name.startswith("fetcher.")) == sorted(TASKS)


_TEXT = st.text(max_size=20)
_ANSWERS = st.one_of(
    st.builds(Response, st.integers(0, 9999), st.just({}), st.just(b""), st.floats(0, 1e6)),
    st.builds(NoAnswer, st.sampled_from(Fault), _TEXT, st.floats(0, 1e6)),
)


@given(st.sampled_from(Route), _ANSWERS, _TEXT, _TEXT)
def test_labels_come_from_closed_sets(route: Route, answer: Answer, outcome: str, task: str) -> None:
    """Use declared label values only, for any response and any content of the database."""
    tally = MetricsRecorder()
    tally.responded(request_for(route), answer, None)
    tally.refreshed(Purpose.MANUAL, 1, [Observed(1, Source.INDEX, None, NOW, None, outcome=outcome)])
    tally.task_ended(task, 1.0, TaskState.SUCCEEDED)
    declared = {(metric.name, label.name): label.values | {OTHER} for metric in COUNTED for label in metric.labels}
    taken = tally.take()
    counted = [(family.name, sample) for family in families(taken) for sample in family.samples]
    assert len(counted) >= 4
    for metric, sample in counted:
        assert all(value in declared[metric, name] for name, value in sample.labels.items() if name != "le"), sample
    assert _amounts(families(taken)) == 4  # and nothing was lost on the way


def _amounts(found: Any) -> float:
    """Return the number of observations of counters and histograms."""
    names = ("fetcher_requests_total", "fetcher_refreshes_total", "fetcher_batch_packages_count", "fetcher_tasks_total")
    return sum(sample.value for family in found for sample in family.samples if sample.name in names)


def test_names_follow_prometheus() -> None:
    """Use base units, no unit or type twice, and a help text for each."""
    for metric in COUNTED:
        assert re.fullmatch(r"fetcher_[a-z_]+[a-z]", metric.name)
        assert metric.help.endswith(".")
        assert not metric.name.endswith("_total")
        timed = isinstance(metric, Gauge) or (isinstance(metric, Histogram) and "packages" not in metric.name)
        assert ("seconds" in metric.name) == timed


def test_counts_of_another_version() -> None:
    """Skip unknown metrics and labels; count a removed bucket in the next one."""
    stored = {
        "fetcher_gone_metric|x|": 3.0,
        "fetcher_refreshes|index|fetched|": 1.0,
        "fetcher_refreshes|index|invented|": 1.0,
        "fetcher_refreshes|index|": 1.0,
        "fetcher_batch_packages|manual|30": 2.0,
        "fetcher_batch_packages|manual|sum": 60.0,
    }
    found = {(s.name, *s.labels.values()): s.value for family in families(stored) for s in family.samples}
    assert {key: value for key, value in found.items() if key[0] == "fetcher_refreshes_total" and value} == {
        ("fetcher_refreshes_total", "index", "fetched"): 1
    }
    assert found["fetcher_batch_packages_bucket", "manual", "25"] == 0
    assert found["fetcher_batch_packages_bucket", "manual", "50"] == 2


def test_every_metric_is_declared_even_unused() -> None:
    """Expose unused metrics, so that alert rules find their names."""
    found: list[Metric] = list(families({}))
    assert [family.name for family in found] == [metric.name for metric in COUNTED]


def test_metrics_of_rules_start_at_zero() -> None:
    """Expose zero first, so that the first rejected credential counts as an increase."""
    found = samples(MetricsRecorder())
    assert found["fetcher_pauses_total", "rejected", "github"] == found["fetcher_leases_expired_total",] == 0
    assert found["fetcher_tasks_total", "fetcher.plan", "failed"] == 0
    assert not [name for name, *_ in found if name == "fetcher_requests_total"]


class Unreachable:
    """A Redis that is unreachable until switched on; it counts the attempts."""

    def __init__(self) -> None:
        self.tries = 0

    def __call__(self) -> Redis:
        self.tries += 1
        raise RedisConnectionError("away")


def test_redis_away_costs_nothing_and_loses_nothing() -> None:
    """Continue the task, keep the counts, and do not retry Redis at once."""
    away, now = Unreachable(), [0.0]
    counters, tally = RedisCounters(away, lambda: now[0]), MetricsRecorder()
    tally.leases_expired(1)
    assert not counters.add(tally)
    tally.leases_expired(2)
    assert not counters.add(tally)
    assert away.tries == 1
    now[0] = SILENT
    assert not counters.add(tally)
    assert away.tries == 2
    assert tally.take() == {"fetcher_leases_expired|": 3}
