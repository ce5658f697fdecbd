"""``python -m benchmarks.webhook_lag``: the time from a stored change to the delivered webhook, with real processes.

Workers of every queue and beat run with their usual settings against the simulator. One package after another gets a
new number of stars, and is refreshed by command. The lag is the time from the response that has the change, which the
message states, to the verified message at a receiver on loopback.
"""

from __future__ import annotations

import json
import os
import random
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks.processes import end_well
from fetcher.domain.model import RepoRef, Source
from fetcher.simulator import changes
from fetcher.simulator.catalogue import synthetic
from fetcher.simulator.server import Simulator
from fetcher.simulator.upstreams.registry import Settings
from tests.harness.receiver import Receiver
from tests.harness.redis_server import running_redis
from tests.harness.stack import APP_LIMITS, Stack, simulated, stack

QUEUES = {"background": "background,maintenance", "manual": "manual", "webhooks": "webhooks"}


@dataclass(frozen=True, slots=True)
class Lag:
    """Seconds until a message arrived, since the response with the change and since its refresh was stored."""

    since_response: float
    since_stored: float


def lags(
    ours: Stack, simulator: Simulator, receiver: Receiver, slugs: Sequence[str], rounds: int, every: float
) -> list[Lag]:
    """Change and refresh ``rounds`` packages, about ``every`` seconds apart; return the lag of each message."""
    rng = random.Random(0)  # noqa: S311 - chooses invented packages
    chosen = rng.sample(slugs, rounds)
    for number, one in enumerate(chosen):
        package = ours.store.packages.get(one)
        assert package is not None
        assert isinstance(package.repo, RepoRef)
        changes.set_facts(simulator.world, package.repo.path, changes.Facts(stars=100_000 + number))
        done = ours.fetcher("refresh", one, "--queue")
        assert done.returncode == 0, done.stderr
        time.sleep(rng.uniform(0, 2 * every))
    ours.until(lambda: {*chosen} <= {one["data"]["slug"] for one in receiver.messages}, "every change is delivered")
    found = (_lag(ours, *one) for one in zip(receiver.messages, receiver.arrived, strict=True))
    return [one for one in found if one is not None]


def _lag(ours: Stack, message: Mapping[str, Any], arrived: float) -> Lag | None:
    """Return the lag of a message; ``None`` if its change is not of a refresh by command."""
    request, responded = ours.store.requests.latest(message["data"]["id"]), datetime.fromisoformat(message["timestamp"])
    if request is None or request.finished_at is None or not request.requested_at <= responded <= request.finished_at:
        return None
    return Lag(arrived - responded.timestamp(), arrived - request.finished_at.timestamp())


def line(name: str, found: list[float]) -> str:
    """Return three percentiles as a sentence."""
    found = sorted(found)
    at = {share: found[min(int(len(found) * share), len(found) - 1)] for share in (0.5, 0.95, 1.0)}
    return f"{name}: " + ", ".join(f"p{share * 100:.0f} {seconds:.2f} s" for share, seconds in at.items())


def main(
    packages: Annotated[int, typer.Option(min=10, help="Packages of the catalogue.")] = 200,
    rounds: Annotated[int, typer.Option(min=2, help="Packages that are changed.")] = 100,
    every: Annotated[float, typer.Option(help="Mean pause between two changes, in seconds.")] = 1.0,
) -> None:
    """Measure the lag of webhooks."""
    end_well()
    with (
        tempfile.TemporaryDirectory(prefix="fetcher-lag-", dir="/tmp") as folder,
        running_redis() as redis_url,
        Receiver() as receiver,
        Simulator(synthetic(packages), Settings(limits=APP_LIMITS)) as simulator,
        stack(Path(folder) / "stack", **simulated(simulator), redis_url=redis_url, webhook_hosts="127.0.0.1") as ours,
    ):
        slugs = ours.import_world(simulator.world)
        for name, queues in QUEUES.items():
            ours.worker(name, queues, 1)
        assert ours.fetcher("refresh", "--all", "--queue").returncode == 0
        ours.until(lambda: ours.answered(packages, [Source.REPOSITORY]), "every repository has responded")
        added = ours.fetcher("webhooks", "add", receiver.url, "--events", "package.updated", "--json")
        receiver.secret = json.loads(added.stdout)["secret"]
        ours.beat()
        found = lags(ours, simulator, receiver, slugs, rounds, every)
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    Console().print(f"{len(found)} changes over {packages:,} packages; load {load}")
    Console().print(line("stored to delivered (bound: p95 5)", [one.since_stored for one in found]))
    Console().print(line("response to delivered", [one.since_response for one in found]))


if __name__ == "__main__":
    typer.run(main)
