"""Metrics, rules and the dashboard with the real Prometheus, which scrapes a running stack."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from fetcher.simulator.catalogue import synthetic
from fetcher.simulator.faults import Kind, Rule
from fetcher.simulator.server import Simulator
from fetcher.simulator.upstreams.registry import Settings
from tests.harness.processes import PATIENCE, Child, children_of, free_port
from tests.harness.prometheus import Prometheus
from tests.harness.stack import APP_LIMITS, Stack, route_of, simulated, stack

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy" / "prometheus"
RULES, RULE_TESTS, CONFIG = (DEPLOY / name for name in ("fetcher.rules.yml", "fetcher.test.yml", "prometheus.yml"))
DASHBOARD = ROOT / "deploy" / "grafana" / "fetcher.json"
RUNBOOKS = ROOT / "docs" / "runbooks.md"
METRICS_PAGE = ROOT / "docs" / "metrics.md"

PACKAGES = 60
SCRAPES = timedelta(seconds=2)
NAME = re.compile(r"\bfetcher_[a-z_]+[a-z]\b")
ROUTES = {
    "statistics": ("statistics",),
    "history": ("heads", "pages"),
    "viewer": ("viewer",),
    "contributors": ("contributors",),
    "pypi_json": ("project_json",),
    "pypi_simple": ("simple_project",),
    "pypi_feed": ("feed",),
}
"""By the route of a metric, the routes of the simulator's log (``tests.harness.stack.route_of``)."""

SUFFIXES = {
    "counter": ("_total",),
    "histogram": ("_bucket", "_count", "_sum"),
    "gaugehistogram": ("_bucket", "_gcount", "_gsum"),
}


def rules() -> list[dict[str, Any]]:
    loaded = yaml.safe_load(RULES.read_text("utf-8"))
    return [rule for group in loaded["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def expressions() -> list[str]:
    """Return the dashboard's queries, with Grafana's own variable replaced."""
    return [target["expr"].replace("$__rate_interval", "1m") for panel in panels() for target in panel["targets"]]


def names_in(expression: str) -> set[str]:
    return set(NAME.findall(re.sub(r'"[^"]*"', "", expression)))


def exposed(text: str) -> set[str]:
    """Return every name that a scrape may contain, with or without a sample yet."""
    found: set[str] = set()
    for family in text_string_to_metric_families(text):
        for suffix in SUFFIXES.get(family.type, ("",)):
            found.add(family.name + suffix)
    return found


# the files


def test_promtool_accepts_rules_and_configuration(prometheus: Prometheus) -> None:
    for what in (("check", "rules", RULES), ("check", "config", CONFIG)):
        done = prometheus.promtool(*what)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_every_alert_fires_and_stays_silent_when_it_should(prometheus: Prometheus) -> None:
    """The rules' own tests pass, and each alert has a test of either kind."""
    done = prometheus.promtool("test", "rules", RULE_TESTS)
    assert done.returncode == 0, done.stdout + done.stderr
    reported: dict[str, set[bool]] = {}
    for case in yaml.safe_load(RULE_TESTS.read_text("utf-8"))["tests"]:
        for alert in case["alert_rule_test"]:
            reported.setdefault(alert["alertname"], set()).add(bool(alert["exp_alerts"]))
    assert reported == {rule["alert"]: {True, False} for rule in rules()}


def test_every_alert_has_a_runbook() -> None:
    """Each alert has a summary, a severity, and an existing section of the runbooks."""
    headings = re.findall(r"^## (.+)$", RUNBOOKS.read_text("utf-8"), re.MULTILINE)
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"]
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert ROOT / page == RUNBOOKS
        assert anchor in [heading.lower() for heading in headings]
    assert {rule["alert"] for rule in rules()} <= set(headings)


def test_the_dashboard_is_one() -> None:
    """Each panel uses the selected data source, and no two panels overlap."""
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    assert [variable["type"] for variable in dashboard["templating"]["list"]] == ["datasource"]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    taken: Counter[tuple[int, int]] = Counter()
    for panel in dashboard["panels"]:
        left, top, width, height = (panel["gridPos"][side] for side in "xywh")
        assert left + width <= 24
        taken.update((x, y) for x in range(left, left + width) for y in range(top, top + height))
    assert max(taken.values()) == 1
    for panel in panels():
        assert panel["title"]
        assert panel["targets"]
        for target in panel["targets"]:
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_prometheus_reads_the_dashboards_queries(prometheus: Prometheus, tmp_path: Path) -> None:
    path = tmp_path / "queries.yml"
    recorded = [{"record": f"dashboard:query:{n}", "expr": query} for n, query in enumerate(expressions())]
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}), "utf-8")
    done = prometheus.promtool("check", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr


# a running stack


@dataclass(frozen=True, slots=True)
class Watched:
    """A stack that Prometheus scrapes."""

    stack: Stack
    simulator: Simulator
    slugs: Sequence[str]
    workers: Sequence[Child]
    web: str
    server: str

    def metrics(self) -> str:
        return httpx.get(f"{self.web}metrics", timeout=PATIENCE).text

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return the result of an instant query."""
        answer = httpx.get(f"{self.server}/api/v1/query", params={"query": expression}, timeout=PATIENCE).json()
        assert answer["status"] == "success", (expression, answer)
        return [(one["metric"], float(one["value"][1])) for one in answer["data"]["result"]]

    def value(self, expression: str) -> float | None:
        """Return the value of a query's first series; None without one."""
        found = self.query(expression)
        return found[0][1] if found else None

    def requests(self) -> dict[str, int]:
        """Count the requests in the simulator's log by the route of their metric."""
        found = Counter(route_of(entry) for entry in list(self.simulator.log.entries))
        return {route: sum(found[one] for one in theirs) for route, theirs in ROUTES.items()}


@contextmanager
def watched(folder: Path, redis_url: str, prometheus: Prometheus) -> Iterator[Watched]:
    settings = {"redis_url": redis_url, "plan_interval": 0.3, "sync_source": folder / "stack" / "catalogue.json"}
    with (
        Simulator(synthetic(PACKAGES), Settings(limits=APP_LIMITS)) as simulator,
        stack(folder / "stack", **simulated(simulator), **settings) as ours,
    ):
        slugs = ours.import_world(simulator.world)
        simulator.faults.add(Rule(kind=Kind.STATUS, status=500, route="project_json", times=1))
        page = ours.start("web", "fetcher", "web")
        ours.until(lambda: "the page and the API" in page.output(), "the web process listens")
        address = re.search(r"http://\S+/", page.output())
        assert address is not None
        recycled = ("--max-tasks-per-child", "3")
        workers = [
            ours.worker("background", "background,maintenance", 2, *recycled),
            ours.worker("manual", "manual", concurrency=1),
        ]
        ours.beat()
        server = _scraping(ours, prometheus, folder, address[0])
        ours.until(lambda: ours.answered(len(slugs)), "every source of every package answers")
        yield Watched(ours, simulator, slugs, workers, address[0], server)


def _scraping(ours: Stack, prometheus: Prometheus, folder: Path, address: str) -> str:
    """Start Prometheus with the example's configuration at a test's pace; return its address."""
    config = yaml.safe_load(CONFIG.read_text("utf-8"))
    config["global"] = {"scrape_interval": f"{SCRAPES.seconds}s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(RULES)]
    (scrape,) = config["scrape_configs"]
    scrape["scrape_timeout"] = f"{SCRAPES.seconds}s"
    scrape["static_configs"] = [{"targets": [address.removeprefix("http://").rstrip("/")]}]
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config), "utf-8")
    listening = f"127.0.0.1:{free_port()}"
    options = (f"--config.file={path}", f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address={listening}")
    child = ours.start("prometheus", str(prometheus.server), *options)
    ours.until(lambda: "ready to receive web requests" in child.output() or not child.runs(), "Prometheus is up")
    assert child.runs(), child.output()
    return f"http://{listening}"


@pytest.mark.slow
def test_prometheus_has_every_event(prometheus: Prometheus, tmp_path: Path, redis_url: str) -> None:
    """Every request, refresh and batch of a pass is counted once, although processes start, end and are killed."""
    with watched(tmp_path, redis_url, prometheus) as ours:
        _every_request_is_counted(ours)
        _the_state_is_reported(ours)
        _one_line_a_batch(ours)
        _killed_workers_take_no_count_with_them(ours)
        _rules_and_dashboard_name_what_there_is(ours)


def _every_request_is_counted(ours: Watched) -> None:
    """Assert that the metrics agree with the simulator's log, also by status."""

    def counted() -> bool:
        """Compare the counts. A worker reports at the end of its task, and Prometheus scrapes every two seconds."""
        reported = {metric["route"]: number for metric, number in ours.query("sum by (route) (fetcher_requests_total)")}
        return reported == ours.requests()

    ours.stack.until(counted, "Prometheus has every request")
    assert ours.value('sum(fetcher_requests_total{status="500"})') == 1
    assert ours.value("sum(fetcher_request_duration_seconds_count)") == ours.value("sum(fetcher_requests_total)")
    assert ours.value('sum(fetcher_refreshes_total{source="index",outcome="fetched"})') == PACKAGES
    assert ours.value('fetcher_refreshes_total{source="index",outcome="transient"}') == 1


def _the_state_is_reported(ours: Watched) -> None:
    """Assert the freshness, queues, consumers, quotas and reachable dependencies in Prometheus."""
    expected = {
        "up": 1,
        'fetcher_dependency_up{dependency="redis"}': 1,
        'fetcher_packages{state="fresh"}': PACKAGES,
        'fetcher_answer_age_seconds_bucket{source="index",le="3600"}': PACKAGES,
        'fetcher_overdue_packages{source="index"}': 0,
        'fetcher_queue_consumers{queue="manual"}': 1,
        'fetcher_queue_messages{queue="background"}': 0,
        "fetcher_workers": 2,
        'fetcher_quota_limit{upstream="github",resource="core"}': 12_500,
        'fetcher_tasks_total{task="fetcher.refresh_batch",state="failed"}': 0,
    }
    ours.stack.until(
        lambda: {query: ours.value(query) for query in expected} == expected, "Prometheus sees that all is well"
    )
    assert 0 <= (ours.value("time() - fetcher_last_plan_timestamp_seconds") or 0) < 30
    assert ours.query('ALERTS{alertstate="firing"}') == []


def _one_line_a_batch(ours: Watched) -> None:
    """Assert that the worker logged a line for each planned batch and one for the only failure, with their tasks."""
    lines = [json.loads(line) for line in ours.workers[0].output().splitlines() if line.startswith("{")]
    named = {event: [line for line in lines if line["event"] == event] for event in ("batch", "failure", "plan")}
    assert sum(line["batches"] for line in named["plan"]) == len(named["batch"])
    assert sum(line["packages"] for line in named["plan"]) == sum(line["packages"] for line in named["batch"])
    assert len({line["task"] for line in named["batch"]}) == len(named["batch"])
    assert [(line["outcome"], line["level"]) for line in named["failure"]] == [("transient", "warning")]
    assert named["failure"][0]["task"] in {line["task"] for line in named["batch"]}
    assert ours.value('fetcher_tasks_total{task="fetcher.refresh_batch",state="succeeded"}') == len(named["batch"])


def _killed_workers_take_no_count_with_them(ours: Watched) -> None:
    """Assert that the sums continue after a worker and its children are killed and replaced."""
    before = ours.value("sum(fetcher_requests_total)") or 0
    ours.stack.until(lambda: children_of(ours.workers[0].pid), "a child is there: each ends after three tasks")
    ours.workers[0].kill()
    another = ours.stack.worker("another")
    ours.stack.until(lambda: "ready" in another.output(), "another worker is there")
    done = ours.stack.fetcher("refresh", ours.slugs[0], "--queue")
    assert done.returncode == 0, done.stderr
    ours.stack.until(lambda: (ours.value("sum(fetcher_requests_total)") or 0) > before, "its requests are added")
    ours.stack.until(lambda: ours.value("fetcher_workers") == 2, "the dead worker is counted no more")
    assert ours.value("resets(fetcher_leases_expired_total[10m])") == 0
    assert ours.value("sum(resets(fetcher_requests_total[10m]))") == 0


def _rules_and_dashboard_name_what_there_is(ours: Watched) -> None:
    """Assert that queries use existing metrics and labels. Each metric has a panel and a line in the reference."""
    reported = exposed(ours.metrics())
    assert ours.simulator.token not in ours.metrics()
    alerts = {name for rule in rules() for name in names_in(rule["expr"])}
    drawn = {name for query in expressions() for name in names_in(query)}
    assert alerts - reported == set()
    assert drawn - reported == set()
    families = {re.sub(r"_(total|bucket|count|sum|gcount|gsum)$", "", name) for name in reported}
    assert families - {re.sub(r"_(total|bucket|count|sum|gcount|gsum)$", "", name) for name in drawn} == set()
    reference = METRICS_PAGE.read_text("utf-8")
    assert {name for name in families if f"`{name}" not in reference} == set()
    silent = [query for query in expressions() if not ours.query(query)]
    assert silent == [query for query in silent if "fetcher_failing_packages" in query or "> 0" in query]
    answer = httpx.get(f"{ours.server}/api/v1/rules", timeout=PATIENCE).json()
    health = {rule["name"]: rule["health"] for group in answer["data"]["groups"] for rule in group["rules"]}
    assert health == {rule["alert"]: "ok" for rule in rules()}


@pytest.mark.parametrize("broken", ["sum(", "rate(fetcher_x)"])
def test_the_check_of_queries_can_fail(prometheus: Prometheus, tmp_path: Path, broken: str) -> None:
    """promtool refuses an invalid query."""
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "x", "rules": [{"record": "a", "expr": broken}]}]}), "utf-8")
    assert prometheus.promtool("check", "rules", path).returncode != 0
