"""``fetcher estimate`` compared with the real engine and the simulator's log, and its output."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.plan import compare
from fetcher.domain.sweeping import SHORTEST
from fetcher.settings import read_settings
from fetcher.wiring import Parts
from tests.harness.parts import with_parts
from tests.harness.stack import variables
from tests.integration.conftest import Fetcher


@pytest.mark.slow
def test_the_plan_equals_a_simulated_run(tmp_path: Path) -> None:
    """For a first pass and two further ones, points and requests are within 5 % or five of the counted ones."""
    lines = asyncio.run(compare(200, tmp_path, 60, a_day=False))

    assert len(lines) == 8
    assert [line for line in lines if not line.holds] == []
    assert next(line.counted for line in lines if line.what == "REST points") >= 200


def test_a_million_in_words(bare: Fetcher) -> None:
    """A million packages fit into a day, at a fixed interval of a day, while up to a tenth of them change."""
    done = bare("estimate", "--packages", "1000000", "--moved", "10%", refresh_interval="P1D")

    assert done.status == 0
    assert "1,000,000 packages each 24.0 h" in done.out
    assert "REST points an hour" in done.out
    assert "a day's pass fits into its 24.0 h" in done.out

    done = bare("estimate", "--packages", "1000000", "--moved", "10%", recheck_interval="P5D", refresh_interval="P1D")
    assert "does NOT fit into its 24.0 h" in done.out
    assert "longer FETCHER_RECHECK_INTERVAL" in done.out


def test_the_computed_intervals(bare: Fetcher) -> None:
    """By default, a directory has the shortest interval, and a large catalogue intervals by activity."""
    small = json.loads(bare("estimate", "--packages", "5500", "--json").out)["intervals"]
    large = json.loads(bare("estimate", "--packages", "1000000", "--json").out)["intervals"]

    assert (small["because"], small["shortest"], small["longest"]) == ("shortest", 300.0, 300.0)
    assert small["quota_share"] < 0.25
    assert large["because"] == "rate"
    assert 300 < large["shortest"] < large["longest"] <= 7 * 86400
    assert "each 5 min: the shortest interval" in bare("estimate", "--packages", "5500").out


def test_for_scripts_and_by_the_settings(bare: Fetcher) -> None:
    """The environment's settings apply: half the re-checks cost half of the REST requests."""
    still = ("estimate", "--packages", "1000000", "--moved", "0", "--json")
    usual, seldom = (json.loads(bare(*still, recheck_interval=f"P{days}D").out) for days in (30, 60))

    assert usual["passes"][1]["requests"]["rest"] == pytest.approx(2 * seldom["passes"][1]["requests"]["rest"], abs=1)
    moved = json.loads(bare("estimate", "--json").out)
    assert moved["passes"][1]["hours"] <= 24
    assert moved["most_packages"] >= 1_000_000


def test_options_of_the_operator(bare: Fetcher) -> None:
    """More commits a year, smaller queries and merges that do not count cost GraphQL points, not REST requests."""
    usual = ("estimate", "--packages", "100000", "--json")
    more = (("--commit-pages", "2"), ("--moved-commit-pages", "90"), ("--histories", "10"), ("--without-merges",))
    plain, *dearer = (json.loads(bare(*usual, *options).out)["passes"] for options in ((), *more))

    for passes in dearer:
        points = [sum(one["requests"]["graphql"] for one in of) for of in (plain, passes)]
        assert points[0] < points[1]
        assert [one["requests"]["rest"] for one in passes] == [one["requests"]["rest"] for one in plain]


@pytest.mark.parametrize("share", ["7", "-1%", "101%", "five", "nan"])
def test_a_wrong_share(bare: Fetcher, share: str) -> None:
    """5 is accepted neither as 5 % nor as 500 %."""
    done = bare("estimate", "--moved", share)

    assert done.status == 2
    assert "5% or" in done.err


def test_the_simulators_option_is_the_same_command(bare: Fetcher) -> None:
    """``simulate --plan`` takes the options of ``estimate``, in any order, and prints the same."""
    options = ("--packages", "5500", "--moved", "10%", "--latency", "2", "--json")
    done = bare("simulate", *options, "--plan")

    assert (done.status, done.out) == (0, bare("estimate", *options).out)
    assert bare("simulate", "--plan", "--moved", "7").status == 2


def test_the_first_plan_computes_the_intervals(fetcher: Fetcher) -> None:
    """A new catalogue need not wait for the next computation, and an empty one has no intervals."""
    settings = read_settings(variables({**fetcher.settings, "refresh_interval": "auto"}))

    async def intervals(parts: Parts) -> list[timedelta]:
        await parts.place_sweeps()
        return [plan.sweep.shortest for plan in parts.store.sweeps.plans()]

    assert with_parts(settings, intervals) == []
    assert fetcher("add", "https://github.com/octo/app").status == 0
    assert with_parts(settings, intervals) == [SHORTEST * settings.window_scale]
