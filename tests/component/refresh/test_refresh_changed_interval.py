"""Due times after a change of ``FETCHER_REFRESH_INTERVAL``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from fetcher.domain.model import DueReason, Source
from fetcher.domain.scheduling import slot
from fetcher.domain.sweeping import Sweep, SweepLimit, SweepPlan
from fetcher.http.transport import HttpTransport
from fetcher.settings import Settings, read_settings
from fetcher.store.sweeps import IntervalOf, Sweeps
from fetcher.upstreams.github.limits import GITHUB
from fetcher.wiring import Parts, open_store
from tests.component.refresh.test_refresh_addresses import unreachable
from tests.harness.clock import DAY, HOUR, NOW, StoppedClock
from tests.harness.parts import with_parts
from tests.harness.stack import variables
from tests.harness.stores import answered, entry, stats, versions

SLUGS = "abc"
MONTH = timedelta(days=30)
SOURCES = (Source.REPOSITORY, Source.INDEX)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HttpTransport, "send", unreachable)


def settings_of(folder: Path, interval: str) -> Settings:
    return read_settings(variables({"data_dir": folder, "refresh_interval": interval}))


def fill(settings: Settings) -> list[int]:
    """Store packages that have responded at an interval of 30 days, and a computed interval; return the ids."""
    with open_store(settings) as store:
        store.packages.import_entries([entry(slug, pypi_url=slug) for slug in SLUGS], NOW)
        ids = [store.packages.ids([slug])[slug] for slug in SLUGS]
        for one in ids:
            store.claims.record(
                [
                    answered(one, source, values, due_at=slot(one, NOW, MONTH), due_reason=DueReason.SLOT)
                    for source, values in zip(SOURCES, (stats(), versions("1.0")), strict=True)
                ]
            )
        sweep = Sweep(timedelta(seconds=1))
        store.sweeps.save(SweepPlan(GITHUB, sweep, NOW, NOW, (0, 0, 0, 0, 0, 0, 3), SweepLimit.SHORTEST, "", 1, 0))
    return ids


def due_times(settings: Settings) -> list[list[datetime | None]]:
    """Return the due times of the packages, by source."""
    with open_store(settings) as store:
        packages = [store.packages.get(slug) for slug in SLUGS]
    return [[package and package.states[source].due_at for package in packages] for source in SOURCES]


def slots(ids: Sequence[int], interval: timedelta) -> list[datetime]:
    return [slot(one, NOW, interval) for one in ids]


def place(settings: Settings, times: int = 1) -> None:
    """Place due times in a process that has just begun."""

    async def work(parts: Parts) -> None:
        for _ in range(times):
            await parts.place_sweeps()

    with_parts(settings, work, StoppedClock(NOW))


def test_a_shorter_fixed_interval(tmp_path: Path) -> None:
    """Repositories and projects become due in the shorter interval. A longer one moves nothing."""
    ids = fill(settings_of(tmp_path, "P30D"))
    place(settings_of(tmp_path, "P30D"))
    assert due_times(settings_of(tmp_path, "P30D")) == [slots(ids, MONTH)] * 2
    place(settings_of(tmp_path, "PT1H"))
    assert due_times(settings_of(tmp_path, "PT1H")) == [slots(ids, HOUR)] * 2
    place(settings_of(tmp_path, "P30D"))
    assert due_times(settings_of(tmp_path, "P30D")) == [slots(ids, HOUR)] * 2


def test_from_a_fixed_interval_to_computed_ones(tmp_path: Path) -> None:
    """Repositories follow the intervals that were computed before the fixed one, and projects their day."""
    ids = fill(settings_of(tmp_path, "P30D"))
    place(settings_of(tmp_path, "P30D"))
    place(settings_of(tmp_path, "auto"))
    assert due_times(settings_of(tmp_path, "auto")) == [slots(ids, timedelta(minutes=5)), slots(ids, DAY)]


def test_a_large_catalogue_follows_in_portions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later process continues after the last package placed, and the last portion ends the work."""
    follow, begun = Sweeps.follow, []

    def one_at_once(self: Sweeps, interval: IntervalOf, after: int, now: datetime) -> int | None:
        begun.append(after)
        return follow(self, interval, after, now, 1)

    monkeypatch.setattr(Sweeps, "follow", one_at_once)
    ids = fill(settings_of(tmp_path, "P30D"))
    place(settings_of(tmp_path, "PT1H"), times=2)
    place(settings_of(tmp_path, "PT1H"), times=5)
    assert begun == [0, *ids]
    assert due_times(settings_of(tmp_path, "PT1H")) == [slots(ids, HOUR)] * 2


def test_an_interval_that_was_never_set_is_not_placed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation with computed intervals, also one of an older version, has no package to read."""
    monkeypatch.setattr(Sweeps, "follow", None)
    fill(settings_of(tmp_path, "auto"))
    place(settings_of(tmp_path, "auto"))
