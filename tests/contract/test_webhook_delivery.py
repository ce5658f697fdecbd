"""Webhooks from the change feed to the receiver, on both databases: nothing is lost, nothing waits for a slow one."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any

import httpcore
import pytest
from sqlalchemy import Engine

from fetcher.domain.changes import EventType
from fetcher.domain.model import Source
from fetcher.domain.webhooks import DELAYS, Attempt, DeliveryState, Endpoint, new_secret
from fetcher.http.public_only import PublicNetwork
from fetcher.store.webhooks import LEASE
from fetcher.webhooks.client import WebhookClient
from fetcher.webhooks.sender import Sender
from tests.harness.clock import DAY, HOUR, MINUTE, StoppedClock
from tests.harness.receiver import Receiver
from tests.harness.stores import NOW, Catalogue, answered, failed, stats, store_on, versions

URL = "https://directory.org/hook"
SECRET = new_secret(bytes(range(32)))
LONG = 600.0


@dataclass
class FakeClient:
    """A client that returns given results by URL, by default 204. An endpoint in ``hanging`` never responds."""

    answers: dict[str, Attempt] = field(default_factory=dict)
    hanging: set[str] = field(default_factory=set)
    sent: list[tuple[str, dict[str, Any], Mapping[str, str]]] = field(default_factory=list)
    arrivals: asyncio.Queue[tuple[str, str]] = field(default_factory=asyncio.Queue)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], now: datetime) -> Attempt:
        self.sent.append((url, json.loads(body), headers))
        self.arrivals.put_nowait((url, json.loads(body)["data"]["slug"]))
        if url in self.hanging:
            await asyncio.Event().wait()
        return self.answers.get(url, Attempt(204))

    async def next_to(self, url: str) -> str:
        """Wait for the next message to ``url``, and return its package."""
        while True:
            to, slug = await self.arrivals.get()
            if to == url:
                return slug

    def types(self, url: str = URL) -> list[tuple[str, str]]:
        return [(body["type"], body["data"]["slug"]) for to, body, _ in self.sent if to == url]


@dataclass
class Hooks:
    """A catalogue, a sender over it, and its fake client."""

    catalogue: Catalogue
    clock: StoppedClock = field(default_factory=lambda: StoppedClock(NOW))
    client: FakeClient = field(default_factory=FakeClient)
    results: list[str] = field(default_factory=list)

    def sender(self) -> Sender:
        store = self.catalogue.store
        return Sender(
            store.webhooks, self.client, self.clock, store.changes.number, self.results.append,
            Random(1), look_every=0.01,  # noqa: S311  (a test's choices)
        )  # fmt: skip

    def add(self, url: str = URL, *events: EventType) -> Endpoint:
        self.catalogue.store.changes.number(NOW)
        return self.catalogue.store.webhooks.add(url, events, SECRET, self.clock.now())

    def get(self, endpoint: Endpoint) -> Endpoint:
        found = self.catalogue.store.webhooks.get(endpoint.id)
        assert found is not None
        return found

    async def send(self, seconds: float = LONG) -> bool:
        return await self.sender().run(seconds)


@pytest.fixture
def hooks(catalogue: Catalogue) -> Hooks:
    return Hooks(catalogue)


async def test_events_after_the_endpoint_was_added(hooks: Hooks) -> None:
    """An endpoint receives what happens after it was added, each event once, with the fields of the change."""
    (a,) = hooks.catalogue.add("a", project=True)
    hooks.catalogue.answer(a, Source.INDEX, versions("1.0"))
    hooks.add()
    hooks.catalogue.answer(a, Source.INDEX, versions("1.1"), observed_at=NOW + HOUR)
    (b,) = hooks.catalogue.add("b")
    hooks.catalogue.store.claims.record([failed(b, Source.REPOSITORY)])
    hooks.catalogue.store.packages.remove([b], NOW)
    assert not await hooks.send()
    assert not await hooks.send()
    assert sorted(hooks.client.types()) == [
        ("package.added", "b"),
        ("package.failing", "b"),
        ("package.removed", "b"),
        ("package.updated", "a"),
        ("release.published", "a"),
    ]
    (release,) = [body["data"] for _, body, _ in hooks.client.sent if body["type"] == "release.published"]
    assert (release["version"], release["fields"]) == ("1.1", ["pypi_version"])
    assert hooks.results == ["delivered"] * 5


async def test_an_endpoint_selects_events(hooks: Hooks) -> None:
    """Only selected events are delivered; the cursor passes the others."""
    endpoint = hooks.add(URL, EventType.REMOVED)
    ids = hooks.catalogue.add("a", "b")
    hooks.catalogue.store.packages.remove(ids[:1], NOW)
    await hooks.send()
    assert hooks.client.types() == [("package.removed", "a")]
    assert hooks.get(endpoint).position == hooks.catalogue.store.changes.extent().position


async def test_nothing_is_lost_when_a_sender_is_killed(hooks: Hooks) -> None:
    """Deliveries and cursor are one transaction. A claimed attempt without a result is due after its lease."""
    endpoint = hooks.add()
    hooks.catalogue.add("a")
    webhooks = hooks.catalogue.store.webhooks
    hooks.catalogue.store.changes.number(NOW)
    assert webhooks.fan_out(NOW) == 1
    (claimed,) = webhooks.claim(endpoint.id, 10, NOW)
    assert webhooks.claim(endpoint.id, 10, NOW + MINUTE) == []
    hooks.clock.advance(LEASE)
    await hooks.send()
    assert [headers["webhook-id"] for _, _, headers in hooks.client.sent] == [claimed.id]


async def test_a_retry_keeps_its_id(hooks: Hooks) -> None:
    """A failed attempt is repeated when it is due, with the same id and a new timestamp, and not before."""
    endpoint = hooks.add()
    hooks.client.answers[URL] = Attempt(500, "status 500")
    hooks.catalogue.add("a")
    assert not await hooks.send()
    assert not await hooks.send()
    assert len(hooks.client.sent) == 1
    assert hooks.get(endpoint).failing_since == NOW
    hooks.clock.advance(2 * DELAYS[0])
    hooks.client.answers.clear()
    await hooks.send()
    first, second = (headers for _, _, headers in hooks.client.sent)
    assert first["webhook-id"] == second["webhook-id"]
    assert int(second["webhook-timestamp"]) > int(first["webhook-timestamp"])
    assert hooks.get(endpoint).failing_since is None
    (logged,) = hooks.catalogue.store.webhooks.log(10)
    assert (logged.state, logged.attempts, logged.status) == (DeliveryState.DELIVERED, 2, 204)


async def test_a_dead_receiver_is_disabled_and_enabled_again(hooks: Hooks) -> None:
    """After the whole schedule the endpoint is disabled. Enabled, it gets later changes; a replay the rest."""
    endpoint = hooks.add()
    hooks.client.answers[URL] = Attempt(None, "ConnectError")
    hooks.catalogue.add("a")
    for delay in (*DELAYS, DAY):
        await hooks.send()
        hooks.clock.advance(2 * delay)
    assert hooks.get(endpoint).disabled_reason == "10 attempts of one message have failed"
    assert hooks.results[-1] == "disabled"
    hooks.catalogue.add("b")
    await hooks.send()
    assert len(hooks.client.sent) == 10
    webhooks = hooks.catalogue.store.webhooks
    assert webhooks.backlog().disabled == 1
    hooks.client.answers.clear()
    assert webhooks.enable(endpoint.id, hooks.clock.now()) == 0
    await hooks.send()
    assert hooks.client.types()[10:] == [("package.added", "b")]
    assert webhooks.replay(endpoint.id, hooks.clock.now(), failed=True) == 1
    await hooks.send()
    assert hooks.client.types()[11:] == [("package.added", "a")]


async def test_a_receiver_that_is_gone(hooks: Hooks) -> None:
    """Status 410 disables the endpoint at once, and nothing more is sent."""
    endpoint = hooks.add()
    hooks.client.answers[URL] = Attempt(410)
    hooks.catalogue.add("a", "b", "c", "d", "e", "f")
    await hooks.send()
    assert hooks.get(endpoint).disabled_reason == "the receiver returned 410 Gone"
    assert len(hooks.client.sent) <= 4


async def test_a_held_endpoint_gets_nothing(hooks: Hooks) -> None:
    """A receiver that asks for a pause gets no message until its end."""
    endpoint = hooks.add()
    hooks.client.answers[URL] = Attempt(429, retry_after=HOUR)
    hooks.catalogue.add("a")
    await hooks.send()
    hooks.client.answers.clear()
    hooks.catalogue.add("b")
    hooks.clock.advance(HOUR - MINUTE)
    await hooks.send()
    assert len(hooks.client.sent) == 1
    assert hooks.get(endpoint).held_until == NOW + HOUR
    hooks.clock.advance(2 * MINUTE)
    await hooks.send()
    assert sorted(hooks.client.types()[1:]) == [("package.added", "a"), ("package.added", "b")]


async def test_a_hanging_receiver_holds_up_no_other(hooks: Hooks) -> None:
    """While one receiver never responds, later changes still reach the others within the same run."""
    hooks.add("https://hanging.org/hook")
    hooks.add()
    hooks.client.hanging.add("https://hanging.org/hook")
    hooks.catalogue.add("a")
    running = asyncio.create_task(hooks.send())
    assert await hooks.client.next_to(URL) == "a"
    hooks.catalogue.add("b")
    assert await hooks.client.next_to(URL) == "b"
    assert not running.done()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_replay_after_the_package_was_removed(hooks: Hooks) -> None:
    """The stored message is sent again, with its id and body. The package's removal follows as a message of its own."""
    endpoint = hooks.add()
    ids = hooks.catalogue.add("a")
    await hooks.send()
    hooks.catalogue.store.packages.remove(ids, NOW)
    await hooks.send()
    webhooks = hooks.catalogue.store.webhooks
    added = next(one for one in webhooks.log(10) if one.event == "package.added")
    assert webhooks.replay(endpoint.id, NOW, [added.id]) == 1
    await hooks.send()
    assert hooks.client.types() == [("package.added", "a"), ("package.removed", "a"), ("package.added", "a")]
    (_, first, sent), _, (_, again, repeated) = hooks.client.sent
    assert (again, repeated["webhook-id"]) == (first, sent["webhook-id"])


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
async def test_two_senders_share_the_work(catalogue: Catalogue, engine: Engine) -> None:
    """Two senders at once deliver every event once."""
    first = Hooks(catalogue)
    second = Hooks(Catalogue(store_on(engine)), client=first.client)
    first.add()
    ids = catalogue.add(*(f"p{n}" for n in range(60)))
    catalogue.store.claims.record([answered(i, Source.REPOSITORY, stats()) for i in ids])
    await asyncio.gather(*(asyncio.to_thread(asyncio.run, one.send()) for one in (first, second)))
    sent = [headers["webhook-id"] for _, _, headers in first.client.sent]
    assert len(sent) == len(set(sent)) == 120


async def test_old_deliveries_are_deleted(hooks: Hooks) -> None:
    """Finished deliveries expire; a waiting one stays, and a removed endpoint takes its log with it."""
    endpoint = hooks.add()
    hooks.catalogue.add("a")
    await hooks.send()
    hooks.client.answers[URL] = Attempt(500)
    hooks.catalogue.add("b")
    await hooks.send()
    webhooks = hooks.catalogue.store.webhooks
    assert webhooks.prune(NOW + DAY) == 1
    assert [one.package for one in webhooks.log(10)] == ["b"]
    assert webhooks.remove(endpoint.id)
    assert webhooks.log(10) == []


async def test_the_client_and_a_real_receiver() -> None:
    """A message is posted once, redirects are not followed, and only allowed hosts may be private."""
    with Receiver() as receiver:
        receiver.answers["/moved"] = (302, {"Location": receiver.url})
        receiver.answers["/busy"] = (503, {"Retry-After": "7"})
        client = WebhookClient("fetcher", {"127.0.0.1"})
        base = receiver.url.removesuffix("/hook")
        headers = {"webhook-id": "m"}
        assert (await client.post(f"{base}/hook", b"{}", headers, NOW)).status == 204
        moved = await client.post(f"{base}/moved", b"{}", headers, NOW)
        assert (moved.status, moved.message) == (302, "redirects are not followed")
        busy = await client.post(f"{base}/busy", b"{}", headers, NOW)
        assert busy.retry_after is not None
        assert busy.retry_after.total_seconds() == 7
        assert receiver.ids == ["m"] * 3
        refused = await WebhookClient("fetcher").post(f"{base}/hook", b"{}", headers, NOW)
        assert refused.message.startswith("refused: it does not begin with https://")
        await client.aclose()
    gone = await WebhookClient("fetcher", {"127.0.0.1"}).post(receiver.url, b"{}", headers, NOW)
    assert gone.status is None
    assert gone.message.startswith("ConnectError")


async def test_a_receiver_that_never_finishes_its_response() -> None:
    """An attempt has a limit in total, so a receiver that sends a byte now and then is a failed attempt."""
    ended = asyncio.Event()

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            writer.write(b"HTTP/1.1 200 OK\r\n")
            while True:
                writer.write(b"X")
                await writer.drain()
                await asyncio.sleep(0.02)
        writer.close()
        ended.set()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        client = WebhookClient("fetcher", {"127.0.0.1"}, seconds=0.3)
        attempt = await client.post(f"http://127.0.0.1:{port}/hook", b"{}", {}, NOW)
        assert (attempt.status, attempt.message) == (None, "no response within 0.3 s")
        await client.aclose()
        await ended.wait()


async def test_a_name_that_resolves_to_a_private_address() -> None:
    """The address is judged at each attempt after its resolution, and nothing is sent to a private one."""

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    client = WebhookClient("fetcher", network=PublicNetwork(resolve))
    attempt = await client.post("https://directory.org/hook", b"{}", {}, NOW)
    assert attempt.status is None
    assert attempt.message.startswith("refused: it resolves to a loopback address")
    await client.aclose()


async def test_an_international_name_with_a_broken_encoding() -> None:
    """It is a failed attempt. An exception would end the sender, and with it the messages of all endpoints."""
    client = WebhookClient("fetcher")
    attempt = await client.post("https://xn--a.org/hook", b"{}", {}, NOW)
    assert attempt.status is None
    assert attempt.message.startswith("refused: the host is not a valid international name")
    await client.aclose()


class Garbled(httpcore.AsyncNetworkStream):
    """A connection whose response is no valid TLS record, which httpcore does not turn into an error of its own."""

    async def start_tls(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        return self

    async def write(self, *_: Any, **__: Any) -> None:
        pass

    async def read(self, *_: Any, **__: Any) -> bytes:
        raise ssl.SSLError(1, "bad record mac")

    async def aclose(self) -> None:
        pass


class GarblingNetwork(httpcore.AsyncNetworkBackend):
    async def connect_tcp(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        return Garbled()


async def test_a_broken_tls_record() -> None:
    """It is a failed attempt, and no exception that ends the sender."""

    async def resolve(host: str, port: int) -> list[str]:
        return ["93.184.215.14"]

    client = WebhookClient("fetcher", network=PublicNetwork(resolve, GarblingNetwork()))
    attempt = await client.post("https://directory.org/hook", b"{}", {}, NOW)
    assert attempt.status is None
    assert "bad record mac" in attempt.message
    await client.aclose()
