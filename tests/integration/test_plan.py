"""``fetcher simulate --plan`` against the real engine and the simulator's own log; and what it prints."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from benchmarks.plan import compare
from tests.integration.conftest import Fetcher


def test_the_plan_is_what_a_simulated_run_comes_to(tmp_path: Path) -> None:
    """A first pass, and one after some heads have moved: points and requests within 5 % or five of what was counted."""
    lines = asyncio.run(compare(200, tmp_path, 60, a_day=False))

    assert len(lines) == 6
    assert [line for line in lines if not line.holds] == []
    assert next(line.counted for line in lines if line.what == "REST points") >= 400


def test_a_million_in_words(bare: Fetcher) -> None:
    """What each pass costs, what binds, whether a day is enough, and how many packages it would be enough for."""
    done = bare("simulate", "--plan", "--packages", "1000000")

    assert done.status == 0
    assert "1,000,000 packages each 24.0 h" in done.out
    assert "REST points an hour" in done.out
    assert "does NOT fit into its 24.0 h" in done.out
    assert "longer FETCHER_RECHECK_INTERVAL" in done.out


def test_for_scripts_and_by_the_settings(bare: Fetcher) -> None:
    """By the environment's settings: half the re-checks cost half, and then a day is enough for a million."""
    still = ("simulate", "--plan", "--packages", "1000000", "--moved", "0", "--json")
    usual, seldom = (json.loads(bare(*still, recheck_interval=f"P{days}D").out) for days in (30, 60))

    assert usual["passes"][2]["requests"]["rest"] == pytest.approx(2 * seldom["passes"][2]["requests"]["rest"], abs=1)
    moved = json.loads(bare("simulate", "--plan", "--json", recheck_interval="P60D").out)
    assert moved["passes"][2]["hours"] <= 24
    assert moved["most_packages"] >= 1_000_000


@pytest.mark.parametrize("share", ["7", "-1%", "101%", "five", "nan"])
def test_what_is_no_share(bare: Fetcher, share: str) -> None:
    """5 is not taken for 5 %, nor for 500 %."""
    done = bare("simulate", "--plan", "--moved", share)

    assert done.status == 2
    assert "5% or" in done.err
