"""`fetcher pause`, `resume` and `drain`, with the commands, a worker and beat."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fetcher.cli.pausing import Drain
from fetcher.cli.users import system_user
from fetcher.domain.model import Source
from fetcher.ports import PLANNED
from fetcher.simulator.server import Simulator
from fetcher.upstreams.github.limits import GITHUB
from tests.harness.clock import MINUTE
from tests.harness.seeds import SEEDS
from tests.harness.stack import Stack, simulated, stack
from tests.harness.stores import NOW, Catalogue
from tests.integration.conftest import Fetcher

TEMPORARY = 75


def test_all_work_is_paused_and_resumed(fetcher: Fetcher) -> None:
    """Each kind of refresh is refused with user and reason; status names the pause; resume ends it."""
    fetcher("import", str(SEEDS))
    paused = fetcher("pause", "all", "--for", "2h", "--why", "moving the [database]")
    assert (paused.status, paused.err) == (0, "")

    for command in (
        ["refresh", "lesscpy"],
        ["refresh", "--all"],
        ["refresh", "--due", "--queue"],
        ["verify"],
        ["failures", "retry"],
    ):
        complaint = fetcher(*command).complaint
        assert complaint.startswith("all work paused ")
        assert f"by {system_user()}" in complaint
        assert complaint.endswith("moving the [database]. `fetcher resume` ends the pause")
    assert "moving the [database]" in fetcher("status").out.splitlines()[0]
    (shown,) = json.loads(fetcher("status", "--json").out)["paused"]
    assert (shown["scope"], shown["reason"]) == ("all", "moving the [database]")

    assert fetcher("resume").out.startswith("resumed all work, paused for ")
    assert fetcher("resume").err == "nothing was paused\n"
    assert fetcher("refresh", "lesscpy").status == 0


def test_background_only(fetcher: Fetcher) -> None:
    """Manual refreshes continue while background work is paused; queueing background work is refused."""
    fetcher("import", str(SEEDS))
    fetcher("pause", "--why", "upgrade")

    assert fetcher("refresh", "--all", "--queue").complaint.startswith("background work paused ")
    assert fetcher("refresh", "lesscpy").status == 0


@pytest.mark.parametrize("arguments", [(), ("--why", " "), ("--why", "x", "--for", "0"), ("some", "--why", "x")])
def test_a_pause_needs_a_reason_and_a_length(bare: Fetcher, arguments: tuple[str, ...]) -> None:
    """Without a reason, with a length of zero or an unknown scope, nothing is paused."""
    assert bare("pause", *arguments).status == 2
    assert json.loads(bare("status", "--json").out)["paused"] == []


@pytest.fixture
def ours(tmp_path: Path, simulator: Simulator, redis_url: str) -> Iterator[Stack]:
    """Provide commands as processes of their own, over a real Redis."""
    with stack(tmp_path, **simulated(simulator), redis_url=redis_url, plan_interval=1) as made:
        made.import_seeds()
        yield made


def test_a_paused_plan_claims_nothing(ours: Stack, simulator: Simulator) -> None:
    """Beat and the worker run, no request is sent until resume, and a drain ends at once."""
    assert ours.fetcher("drain", "--why", "upgrade").stdout.startswith("drained: ")
    ours.worker()
    ours.beat()
    ours.until(lambda: ours.store.checkpoints.get(PLANNED).observed_at, "a plan was carried out")
    first = ours.store.checkpoints.get(PLANNED).observed_at
    ours.until(lambda: ours.store.checkpoints.get(PLANNED).observed_at != first, "another plan was carried out")
    assert simulator.log.count(upstream="pypi") == 0

    assert ours.fetcher("resume").returncode == 0
    ours.until(lambda: ours.answered(5), "all packages are refreshed")


def test_a_queued_batch_is_given_back(ours: Stack, simulator: Simulator) -> None:
    """A batch that a worker takes during a pause ends its lease without a request, and stays due."""
    from tasks.refresh import message_of  # noqa: PLC0415  (reads the settings of this process)

    now = datetime.now(UTC)
    claim = ours.store.claims.claim("pypi", (Source.INDEX,), 10, now, timedelta(minutes=10))
    assert claim is not None
    assert ours.fetcher("drain", "--max-wait", "0").returncode == TEMPORARY
    ours.worker()
    arguments = json.dumps([message_of(claim)])
    send = ("celery", "--quiet", "-A", "tasks", "call", "fetcher.refresh_batch", "--queue", "background")
    assert ours.start("call", *send, "--args", arguments).wait() == 0
    assert ours.fetcher("drain").returncode == 0
    assert simulator.log.count(upstream="pypi") == 0
    assert ours.store.claims.claim("pypi", (Source.INDEX,), 10, now, timedelta(minutes=10)) is not None


def test_a_drain_has_an_end(catalogue: Catalogue) -> None:
    """A drain that waits prints a line each minute, and ends with the number of packages in progress."""
    catalogue.add("one", "two")
    catalogue.store.claims.claim(GITHUB, (Source.REPOSITORY,), 10, NOW, timedelta(hours=1))
    moments = iter(NOW + second * MINUTE / 2 for second in range(100))
    lines: list[str] = []

    left = Drain(catalogue.store, lambda: next(moments), 5 * MINUTE, lines.append, lambda _: None).wait()

    assert left == 2
    assert lines
    assert set(lines) == {"waiting until 12:05:00 UTC: 2 packages in progress"}
