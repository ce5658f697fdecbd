"""Webhooks with the product's own processes: from a refreshed package to the receiver, and the commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fetcher.settings import read_settings
from fetcher.simulator.catalogue import synthetic
from fetcher.simulator.server import Simulator
from fetcher.simulator.upstreams.registry import Settings
from fetcher.wiring import open_store
from tests.harness.receiver import Receiver
from tests.harness.stack import APP_LIMITS, Stack, environment, simulated, stack
from tests.integration.conftest import Fetcher

PACKAGES = 5


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def directory(tmp_path: Path, redis_url: str) -> Iterator[tuple[Stack, list[str]]]:
    """Provide a stack over some invented packages, with a receiver's address allowed."""
    settings = {"redis_url": redis_url, "plan_interval": 0.3, "webhook_hosts": "127.0.0.1"}
    with (
        Simulator(synthetic(PACKAGES), Settings(limits=APP_LIMITS)) as simulator,
        stack(tmp_path / "stack", **simulated(simulator), **settings) as running,
    ):
        yield running, running.import_world(simulator.world)


@pytest.mark.slow
def test_a_refreshed_package_reaches_the_receiver(directory: tuple[Stack, list[str]], receiver: Receiver) -> None:
    """A worker's record starts the sender without beat. A killed sender loses nothing, and beat takes up its work."""
    ours, slugs = directory
    added = ours.fetcher("webhooks", "add", receiver.url, "--events", "package.updated", "--json")
    receiver.secret = json.loads(added.stdout)["secret"]
    ours.worker()
    sender = ours.worker("webhooks", "webhooks", 1)
    ours.fetcher("refresh", slugs[0], "--queue")
    ours.worker("manual", "manual", 1)
    ours.until(lambda: {one["data"]["slug"] for one in receiver.messages} >= {slugs[0]}, "the first package is sent")
    sender.kill()
    ours.fetcher("refresh", "--all", "--queue")
    ours.until(lambda: ours.answered(PACKAGES), "every package is refreshed")
    ours.worker("webhooks2", "webhooks", 1)
    ours.beat()
    ours.until(lambda: {one["data"]["slug"] for one in receiver.messages} == set(slugs), "every package is sent")
    listed = json.loads(ours.fetcher("webhooks", "list", "--json").stdout)
    assert [one["disabled_at"] for one in listed] == [None]


def test_the_commands(fetcher: Fetcher, receiver: Receiver) -> None:
    """A receiver is added, tested, rotated, listed and removed. Its secret is printed once and never logged."""
    fetcher.settings["webhook_hosts"] = "127.0.0.1"
    added = fetcher("webhooks", "add", receiver.url)
    endpoint, secret = (line.partition(": ")[2] for line in added.out.splitlines())
    receiver.secret = secret
    tested = fetcher("webhooks", "test", endpoint)
    assert (tested.status, tested.out) == (0, "delivered: status 204\n")
    assert [one["type"] for one in receiver.messages] == ["webhook.test"]
    rotated = json.loads(fetcher("webhooks", "rotate", endpoint, "--json").out)["secret"]
    assert fetcher("webhooks", "test", endpoint).status == 0  # the former secret still signs
    receiver.secret = rotated
    assert fetcher("webhooks", "test", endpoint).status == 0
    receiver.answers["/hook"] = (404, {})
    refused = fetcher("webhooks", "test", endpoint, "--json")
    assert (refused.status, json.loads(refused.out)["status"]) == (1, 404)
    shown = [
        fetcher("webhooks", "list").out,
        fetcher("webhooks", "list", "--json").out,
        fetcher("webhooks", "log", "--json").out,
        fetcher("audit").out,
    ]
    assert endpoint in shown[0]
    assert not any(one in text for text in shown for one in (secret, rotated))
    assert "webhook_rotate" in shown[3]
    assert "/hook" not in shown[3]
    assert fetcher("webhooks", "enable", endpoint).err.strip() == f"{endpoint} was not disabled"
    assert fetcher("webhooks", "remove", endpoint).status == 0
    assert json.loads(fetcher("webhooks", "list", "--json").out) == []


def test_a_receiver_gets_no_earlier_change(fetcher: Fetcher) -> None:
    """A change that was committed before `add` is not sent, also if no process has numbered it yet."""
    fetcher.settings["webhook_hosts"] = "127.0.0.1"
    assert fetcher("add", "https://github.com/owner/earlier").status == 0
    assert fetcher("webhooks", "add", "http://127.0.0.1:9/hook").status == 0
    with open_store(read_settings(environment(**fetcher.settings))) as store:
        assert store.changes.extent().position == 1
        assert not store.webhooks.has_work(datetime.now(UTC))


@pytest.mark.parametrize(("arguments", "message"), [
    (["add", "http://directory.org/hook"], "it does not begin with https://"),
    (["add", "https://169.254.169.254/"], "FETCHER_WEBHOOK_HOSTS"),
    (["remove", "nobody"], "no receiver has the id 'nobody': `fetcher webhooks list` prints all"),
    (["log", "nobody"], "no receiver has the id"),
    (["test", "nobody"], "no receiver has the id"),
])  # fmt: skip
def test_refused(fetcher: Fetcher, arguments: list[str], message: str) -> None:
    """A mistake is named in one line with what to do."""
    assert message in fetcher("webhooks", *arguments).complaint


def test_an_unknown_event(fetcher: Fetcher) -> None:
    """The message lists the events that exist."""
    done = fetcher("webhooks", "add", "https://directory.org/", "--events", "package.exploded")
    assert done.status == 2
    assert "package.added" in done.err
