"""The queues in Redis with real workers: ages, rates, running tasks, and clear texts if no worker answers."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from fetcher.simulator.server import Simulator
from tasks import queue_throughput
from tests.harness.processes import BIN, PATIENCE
from tests.harness.stack import Stack, simulated, stack

MINUTE = 60.0
START = 1_800_000_000.0
"""A moment at which a minute begins."""


@pytest.fixture
def ours(tmp_path: Path, simulator: Simulator, redis_url: str) -> Iterator[Stack]:
    with stack(tmp_path, **simulated(simulator), redis_url=redis_url, plan_interval=1) as made:
        made.import_seeds()
        yield made


def _queues(ours: Stack) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in json.loads(ours.fetcher("queues", "--json").stdout)}


def test_waiting_messages_are_counted_and_timed(ours: Stack) -> None:
    """Without a worker, waiting messages, the oldest age and arrivals are shown. Running tasks are unknown."""
    before = datetime.now(UTC)
    for slug in ("lesscpy", "django-vies"):
        assert ours.fetcher("refresh", slug, "--queue").returncode == 0
    now = _queues(ours)["manual"]
    sent = datetime.fromisoformat(now["oldest_sent_at"])
    assert before - timedelta(seconds=1) <= sent <= datetime.now(UTC)
    assert (now["waiting"], now["is_stuck"]) == (2, True)
    assert (now["running"], now["reserved"], now["empty_in"]) == (None, None, None)
    assert now["published"] > 0 == now["finished"]
    shown = ours.fetcher("queues")
    assert "no worker responded within a second" in shown.stdout
    assert shown.stderr.startswith('error: queue "manual" has ')
    status = ours.fetcher("status")
    assert "workers: none responded within a second" in status.stdout
    assert "beat: never seen" in status.stdout


def test_the_report_of_a_worker(ours: Stack) -> None:
    """A worker reports its queues, finished messages leave them, and `status` shows live workers and due packages."""
    ours.worker("all", queues="manual,background,maintenance,webhooks")
    ours.beat()
    ours.until(lambda: ours.answered(5), "the seeds are fresh")
    queues = _queues(ours)
    (worker,) = queues["manual"]["consumers"]
    assert worker.startswith("all@")
    assert [one["consumers"] for one in queues.values()] == [[worker]] * 4
    assert queues["background"]["finished"] > 0 < queues["maintenance"]["finished"]
    assert all(type(one[name]) is int for one in queues.values() for name in ("running", "reserved"))
    status = json.loads(ours.fetcher("status", "--json").stdout)
    assert (status["workers"], status["redis_fault"], status["beat"]["fault"]) == ([worker], None, None)
    assert status["states"]["fresh"] == 5
    assert all(one["keeps_up"] and one["due"] == 0 and one["within_interval"] == 1 for one in status["sources"])
    assert {quota["resource"] for quota in status["quota"]} >= {"graphql", "core"}


def test_explain_of_a_package(ours: Stack) -> None:
    """A package is explained before its first refresh and during a requested one; an unknown slug is reported."""
    assert ours.fetcher("refresh", "lesscpy", "--queue").returncode == 0
    shown = ours.fetcher("explain", "lesscpy")
    assert shown.returncode == 0
    assert "refresh requested " in shown.stdout
    assert "no response yet, not requested since its address was stored" in shown.stdout
    assert "fetched after its repository's next response" in shown.stdout
    found = json.loads(ours.fetcher("explain", "lesscpy", "--json").stdout)
    assert {one["source"]: one["due_because"] for one in found["sources"]} == {
        "repository": "first",
        "contributors": "follows",
        "commits": "follows",
        "index": "first",
    }
    unknown = ours.fetcher("explain", "nosuch")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert unknown.stderr.startswith("error: no package is called nosuch")


def test_without_redis_the_rest_is_shown(ours: Stack) -> None:
    """The values of the database are shown, and a reason for quota and workers. Queues need Redis."""
    status = ours.fetcher("status", redis_url="redis://127.0.0.1:9/0")
    assert status.returncode == 0
    assert status.stdout.startswith("5 packages: 5 stale")
    assert "workers and quota are unknown: Redis cannot be reached" in status.stdout
    queues = ours.fetcher("queues", redis_url="redis://127.0.0.1:9/0")
    assert (queues.returncode, queues.stdout) == (1, "")
    assert queues.stderr.startswith("error: Redis cannot be reached")


@pytest.mark.parametrize("command", ["status", pytest.param("queues", marks=pytest.mark.slow)])
def test_watching_needs_a_terminal_and_ends_with_ctrl_c(ours: Stack, command: str) -> None:
    """On a terminal the screen is redrawn until Ctrl-C, with status 0. Otherwise one line refuses it."""
    piped, both = ours.fetcher(command, "--watch"), ours.fetcher(command, "--watch", "--json")
    assert (piped.returncode, both.returncode, piped.stdout, both.stdout) == (1, 1, "", "")
    assert piped.stderr.startswith("error: --watch needs a terminal")
    assert both.stderr.startswith("error: --watch and --json exclude each other")
    ours_end, theirs = pty.openpty()
    process = subprocess.Popen(
        [BIN / "fetcher", command, "--watch"],
        env={**ours.environment, "TERM": "xterm", "COLUMNS": "100"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    try:
        os.close(theirs)
        _drawn(ours_end, b"repository" if command == "status" else b"background")
        process.send_signal(signal.SIGINT)
        _read_to_the_end(ours_end)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours_end)


def _drawn(terminal: int, words: bytes) -> None:
    """Read the terminal until ``words`` have appeared twice."""
    seen, deadline = b"", time.monotonic() + PATIENCE
    while seen.count(words) < 2:
        assert time.monotonic() < deadline, seen[-2000:]
        if select.select([terminal], [], [], 1)[0]:
            seen += os.read(terminal, 65536)


def _read_to_the_end(terminal: int) -> None:
    """Read until the last process of the terminal has ended. Output that is not read blocks its process."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 1)[0]:
            try:
                os.read(terminal, 65536)
            except OSError:  # Linux: the other end is closed
                return


def test_rates_are_of_the_last_minutes(redis_url: str) -> None:
    """Rates cover five full minutes and the current one, separately for each queue."""
    with Redis.from_url(redis_url) as client:
        for minute in range(10):
            for _ in range(minute + 1):
                queue_throughput.count(client, "manual", queue_throughput.PUBLISHED, START + minute * MINUTE)
        queue_throughput.count(client, "manual", queue_throughput.FINISHED, START + 9 * MINUTE)
        rates = queue_throughput.rates(client, ["manual", "maintenance"], START + 9 * MINUTE + 30)
        kept = [client.ttl(key) for key in client.keys("fetcher:throughput:*")]
    assert rates["manual"].published == pytest.approx((5 + 6 + 7 + 8 + 9 + 10) / 330)
    assert rates["manual"].finished == pytest.approx(1 / 330)
    assert rates["maintenance"] == queue_throughput.Rates(0, 0)
    assert all(0 < seconds <= 600 for seconds in kept)
