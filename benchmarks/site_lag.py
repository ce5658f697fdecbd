"""``python -m benchmarks.site_lag``: the time from a stored response to the site's row, with real worker and beat.

A worker and beat run with their usual intervals over a site of 5,500 packages, whose rows equal the stored values. At
random moments a response with new stars is recorded, as a worker records it. The site's row is polled until it has
them.
"""

from __future__ import annotations

import random
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.database import postgres
from benchmarks.processes import end_well
from benchmarks.site import answers, fill, passes, record
from fetcher.domain.model import RepoStats, Source
from tests.harness.directory import Directory
from tests.harness.redis_server import running_redis
from tests.harness.stack import Stack, stack

POLL = 0.25
"""Seconds between two polls of the rows, which is the resolution of the lag."""
NOWHERE = "http://127.0.0.1:9"


def lags(running: Stack, directory: Directory, packages: int, changes: int, every: float) -> list[float]:
    """Record ``changes`` responses, about ``every`` seconds apart; return the seconds until each is in its row."""
    rng = random.Random(0)  # noqa: S311 - chooses invented packages
    waiting: dict[int, tuple[int, float]] = {}
    found: list[float] = []
    following = time.monotonic()
    chosen = iter(rng.sample(range(1, packages + 1), changes))
    left = changes
    while left or waiting:
        now = time.monotonic()
        if left and now >= following:
            package_id, stars = next(chosen), 100_000 + left
            first = answers(package_id, datetime.now(UTC))[0]
            assert isinstance(first.values, RepoStats)
            assert first.source is Source.REPOSITORY
            running.store.claims.record([replace(first, values=replace(first.values, stars=stars))])
            waiting[package_id] = (stars, now)
            left, following = left - 1, now + rng.uniform(0, 2 * every)
        rows = directory.execute("select id, repo_watchers from package_package where id = any(%s)", list(waiting))
        for row in rows:
            stars, since = waiting[row["id"]]
            if row["repo_watchers"] == stars:
                found.append(time.monotonic() - since)
                del waiting[row["id"]]
        time.sleep(POLL)
    return sorted(found)


def main(
    packages: Annotated[int, typer.Option(help="Packages of the site.")] = 5_500,
    changes: Annotated[int, typer.Option(help="Responses that are recorded.")] = 100,
    every: Annotated[float, typer.Option(help="Mean seconds between two.")] = 4.0,
) -> None:
    """Measure the lag of the site's rows."""
    end_well()
    now = datetime.now(UTC)
    with (
        postgres() as server,
        running_redis() as redis_url,
        tempfile.TemporaryDirectory(prefix="fetcher-lag-", dir="/tmp") as folder,
    ):
        directory, store_url = Directory(server.create()), server.create()
        fill(directory, packages, now)
        with passes(directory.url, store_url) as run:
            run.synchronizer().run(now)
            record(run.store, packages, now, values=now)
            run.synchronizer().run(now + timedelta(seconds=1))
        settings = {"database_url": store_url, "redis_url": redis_url, "site_url": directory.url}
        upstreams = {"github_api_url": NOWHERE, "pypi_url": NOWHERE, "github_token": "none"}
        with stack(Path(folder) / "stack", **settings, **upstreams) as running:
            running.worker(queues="background,maintenance")
            running.beat()
            found = lags(running, directory, packages, changes, every)
    at = {share: found[min(int(len(found) * share), len(found) - 1)] for share in (0.5, 0.95, 1.0)}
    shown = ", ".join(f"p{share * 100:.0f} {seconds:.1f} s" for share, seconds in at.items())
    Console().print(
        f"{len(found)} changes over {packages:,} packages, stored to in the site's row: {shown} (bound: p95 90)"
    )


if __name__ == "__main__":
    typer.run(main)
