"""The last reading of the catalogue's source, on the page and in the metrics."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from fetcher.domain.sync_report import SyncOutcome
from fetcher.settings import Settings
from fetcher.sync.schedule import Schedule
from tests.component.web.conftest import TOKEN, Harness
from tests.harness.clock import HOUR, NOW

SOURCE = "/catalogue/<packages>.json"
SINCE = "fetcher_sync_failing_since_timestamp_seconds"


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> Settings:
    return Settings(
        web_token=SecretStr(TOKEN), web_hosts="directory.test", sync_source=getattr(request, "param", SOURCE)
    )


@pytest.fixture
def schedule(harness: Harness) -> Schedule:
    return Schedule(SOURCE, HOUR, harness.store.checkpoints)


@pytest.mark.parametrize("settings", [None], indirect=True)
def test_without_a_source_nothing_is_shown(harness: Harness) -> None:
    """An installation without a source has neither a panel nor metrics of it."""
    assert 'id="sync"' not in harness.client.get("/").text
    assert "fetcher_sync" not in harness.client.get("/metrics").text


def test_a_good_reading(harness: Harness, schedule: Schedule) -> None:
    """The overview has the counters of the last reading, escaped, and the metrics its time and no failure."""
    schedule.begin(NOW)
    schedule.end(NOW, SyncOutcome.DONE, "3 read, 1 <retired>")
    text = harness.client.get("/").text
    assert "/catalogue/&lt;packages&gt;.json" in text
    assert "3 read, 1 &lt;retired&gt;" in text
    assert "not synchronized" not in text
    metrics = harness.client.get("/metrics").text
    assert f"{SINCE} 0.0" in metrics
    assert float(_sample(metrics, "fetcher_sync_last_reading_timestamp_seconds")) == NOW.timestamp()


def test_a_failing_source(harness: Harness, schedule: Schedule) -> None:
    """A source that fails is a problem on the overview, with its age, and has its first failure in the metrics."""
    for hours in range(2):
        schedule.begin(NOW + hours * HOUR)
        schedule.end(NOW + hours * HOUR, SyncOutcome.FAILED, "it does not exist")
    assert "not synchronized with" in harness.client.get("/").text
    assert float(_sample(harness.client.get("/metrics").text, SINCE)) == NOW.timestamp()


def _sample(metrics: str, name: str) -> str:
    (line,) = [line for line in metrics.splitlines() if line.startswith(f"{name} ")]
    return line.partition(" ")[2]
