"""``fetcher up`` as users run it: one command, one folder, and no process left afterwards."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fetcher.simulator.server import Simulator
from tests.harness.processes import Child, children_of, is_alive
from tests.harness.seeds import SEEDS
from tests.harness.stack import Stack, simulated, stack

RUNNING = "Ctrl-C stops it"
PACKAGES = 5


@pytest.fixture
def ours(tmp_path: Path, simulator: Simulator) -> Iterator[Stack]:
    """Import the five seeds; only the data folder, the simulator's addresses and the pace are set."""
    with stack(tmp_path, **simulated(simulator), plan_interval=1) as made:
        assert made.fetcher("import", str(SEEDS)).returncode == 0
        yield made


def test_up_refreshes_until_ctrl_c(ours: Stack) -> None:
    """All sources of all packages respond, and SIGINT ends every process with status 0 and keeps the stored values."""
    up = _up(ours)
    ours.until(lambda: ours.answered(PACKAGES), "every source of every package answers")
    family = children_of(up.pid)
    up.signal(signal.SIGINT)

    assert up.wait() == 0, up.output()
    assert len(family) >= 4  # Redis, two workers and beat
    assert [pid for pid in family if is_alive(pid)] == []
    assert up.stdout.read_text("utf-8") == ""
    assert json.loads(up.output().splitlines()[-1])["event"] == "stopped; queued work is saved"
    assert ours.answered(PACKAGES)


def test_one_up_a_folder(ours: Stack) -> None:
    """A second one refuses in one line that names the first and a remedy; the first continues."""
    first = _up(ours)
    second = ours.fetcher("up")

    assert (second.returncode, second.stdout) == (1, "")
    (line,) = map(json.loads, second.stderr.splitlines())
    assert line["level"] == "error"
    assert line["event"] == (
        f"another `fetcher up` (process {first.pid}) already runs on {ours.settings.data_dir}. "
        "Stop it first, or set FETCHER_DATA_DIR to another folder"
    )
    assert first.runs()


def test_up_after_a_kill(ours: Stack) -> None:
    """SIGKILL leaves a Redis running; the next start ends it and continues with the same folder."""
    killed = _up(ours)
    family = children_of(killed.pid)
    killed.signal(signal.SIGKILL)
    killed.wait()
    again = _up(ours)
    ours.until(lambda: not any(map(is_alive, family)), "what the killed one left is gone")
    ours.until(lambda: ours.answered(PACKAGES), "every source of every package answers")
    again.signal(signal.SIGINT)

    assert again.wait() == 0, again.output()


def test_a_crashed_worker_is_started_again(ours: Stack) -> None:
    """A killed worker is reported and replaced, and the pass is completed."""
    up = _up(ours)
    found = re.search(r"\bworker: started \(process (\d+)\)", up.output())
    assert found is not None, up.output()
    os.kill(int(found[1]), signal.SIGKILL)
    ours.until(lambda: "worker: restarted" in up.output(), "the worker is restarted")
    ours.until(lambda: ours.answered(PACKAGES), "every source of every package answers")

    assert "worker: exited with status -9" in up.output()
    assert up.runs()


def test_the_demo_ends_by_itself(tmp_path: Path) -> None:
    """Five packages are refreshed against its own simulator, the table is printed, and no process is left."""
    with stack(tmp_path) as ours:
        done = ours.fetcher("demo")

    assert done.returncode == 0, done.stderr
    for path in SEEDS.glob("*.json"):
        assert path.stem.partition("-")[2] in done.stdout
    assert "0 limits tripped" in done.stdout


def _up(ours: Stack) -> Child:
    """Start it, and return once it reports that it runs."""
    up = ours.start("up", "fetcher", "up", gently=True, workers=1)
    ours.until(lambda: RUNNING in up.output() or not up.runs(), "it says that it runs")
    assert up.runs(), up.output()
    return up
