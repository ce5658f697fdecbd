"""Hosts that an editor has named are requested at public addresses only, by the address that was judged."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpcore
import pytest

from fetcher.http.messages import Answer, Fault, NoAnswer, Request, Response
from fetcher.http.public_only import PublicNetwork, system_addresses
from fetcher.http.transport import HttpTransport
from fetcher.ports import Site
from tests.contract.test_transport import Server

HOST = "git.public.test"
PUBLIC, OTHER = "93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"


class Names:
    """A resolver with prepared results, one for each call; the last one repeats."""

    def __init__(self, *results: Sequence[str] | OSError | UnicodeError) -> None:
        self.results = list(results)
        self.calls = 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        found = self.results[min(self.calls, len(self.results) - 1)]
        self.calls += 1
        if isinstance(found, OSError | UnicodeError):
            raise found
        return found


class Network(httpcore.AsyncNetworkBackend):
    """A network on which every address leads to one server on loopback, except those that do not accept."""

    def __init__(self, port: int, deaf: Sequence[str] = ()) -> None:
        self.port = port
        self.deaf = deaf
        self.connected: list[str] = []

    async def connect_tcp(self, host: str, port: int, *rest: Any, **more: Any) -> httpcore.AsyncNetworkStream:
        self.connected.append(host)
        if host in self.deaf:
            raise httpcore.ConnectError("nobody listens")
        return await httpcore.AnyIOBackend().connect_tcp("127.0.0.1", self.port)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as running:
        yield running


async def answer_of(names: Names, network: Network, path: str = "/good", **fields: Any) -> Answer:
    root = f"http://{HOST}"
    sites = {"forge": Site((root,), public_only=True)}
    guarded = PublicNetwork(names, network)
    async with HttpTransport(sites, user_agent="test", backoff=0, network=guarded) as transport:
        return await transport.send(Request("forge", "api", "route", root + path, **fields))


def network_of(server: Server, deaf: Sequence[str] = ()) -> Network:
    return Network(int(server.root.rpartition(":")[2]), deaf)


async def test_a_public_host(server: Server) -> None:
    """The connection goes to the judged address, and the request names the host."""
    names, network = Names([PUBLIC]), network_of(server)
    found = await answer_of(names, network, method="POST", body=b"x" * 10_000)
    assert isinstance(found, Response)
    assert (found.status, found.body) == (200, b'{"a": 1}')
    assert (names.calls, network.connected) == (1, [PUBLIC])
    (request,) = server.arrived
    assert (request.headers["host"], request.body) == (HOST, b"x" * 10_000)


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["fe80::1%eth0"],
        ["224.0.0.1"],
        ["0.0.0.0"],  # noqa: S104  (not a bind)
        [PUBLIC, "192.168.0.1"],
    ],
)
async def test_a_name_that_leads_inside(server: Server, addresses: list[str]) -> None:
    """Nothing is sent, nothing is tried twice, and the reason names the setting."""
    names, network = Names(addresses), network_of(server)
    found = await answer_of(names, network)
    assert isinstance(found, NoAnswer)
    assert found.fault is Fault.FORBIDDEN_HOST
    assert "FETCHER_FORGES" in found.reason
    assert (names.calls, network.connected, server.connections) == (1, [], 0)


async def test_a_name_that_changes_after_it_was_judged(server: Server) -> None:
    """The name is not resolved a second time for the connection."""
    names, network = Names([PUBLIC], ["127.0.0.1"]), network_of(server)
    assert isinstance(await answer_of(names, network), Response)
    assert network.connected == [PUBLIC]


async def test_the_next_address_after_one_that_does_not_accept(server: Server) -> None:
    names, network = Names([OTHER, PUBLIC]), network_of(server, deaf=[OTHER])
    assert isinstance(await answer_of(names, network), Response)
    assert network.connected == [OTHER, PUBLIC]


async def test_no_address_accepts(server: Server) -> None:
    """A host that is down is unreachable, and tried again under the same request."""
    names, network = Names([PUBLIC]), network_of(server, deaf=[PUBLIC])
    found = await answer_of(names, network)
    assert isinstance(found, NoAnswer)
    assert found.fault is Fault.UNREACHABLE
    assert network.connected == [PUBLIC] * 3


@pytest.mark.parametrize("result", [[], socket.gaierror(-2, "Name or service not known")])
async def test_an_unknown_name(server: Server, result: Any) -> None:
    found = await answer_of(Names(result), network_of(server))
    assert isinstance(found, NoAnswer)
    assert found.fault is Fault.UNREACHABLE
    assert HOST in found.reason


@pytest.mark.parametrize("label", ["xn--a", "xn--zzzzzz999999"])
async def test_an_international_name_with_a_broken_encoding(label: str) -> None:
    """It is a failure of its own package: an exception would end the batch."""
    root = f"https://{label}.org"
    sites = {name: Site((root,), public_only=name == "editors") for name in ("editors", "operators")}
    async with HttpTransport(sites, user_agent="t", network=PublicNetwork(Names([PUBLIC]))) as transport:
        found = [await transport.send(Request(name, "api", "route", f"{root}/a")) for name in sites]
    assert [one.fault for one in found if isinstance(one, NoAnswer)] == [Fault.FORBIDDEN_HOST] * 2


async def test_a_name_that_the_resolver_cannot_encode(server: Server) -> None:
    """The system's resolver raises ``UnicodeError`` for a label beyond 63 characters."""
    found = await answer_of(Names(UnicodeError("label too long")), network_of(server))
    assert isinstance(found, NoAnswer)
    assert found.fault is Fault.UNREACHABLE


async def test_faults_of_the_connection_are_those_of_any_transport(server: Server) -> None:
    """An answer that is too large, and a connection cut in its body, have their usual faults."""
    names = Names([PUBLIC])
    large = await answer_of(names, network_of(server), "/long", max_bytes=100)
    assert isinstance(large, NoAnswer)
    assert large.fault is Fault.TOO_LARGE

    async def cut(reader: Any, writer: Any) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        await writer.drain()

    async with Server(cut) as cutting:
        broken = await answer_of(names, network_of(cutting))
    assert isinstance(broken, NoAnswer)
    assert broken.fault is Fault.BROKEN


async def test_tls_names_the_host_and_not_the_address() -> None:
    """The certificate is checked against the name that the editor wrote."""
    names: list[str | None] = []

    class Stream(httpcore.AsyncNetworkStream):
        async def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: Any = None) -> Any:  # noqa: ASYNC109
            names.append(server_hostname)
            raise httpcore.ConnectError("recorded")

        async def aclose(self) -> None:
            pass

    class Recording(httpcore.AsyncNetworkBackend):
        async def connect_tcp(self, *given: Any, **more: Any) -> httpcore.AsyncNetworkStream:
            return Stream()

    root = f"https://{HOST}"
    guarded = PublicNetwork(Names([PUBLIC]), Recording())
    sites = {"forge": Site((root,), public_only=True)}
    async with HttpTransport(sites, user_agent="test", backoff=0, network=guarded) as transport:
        await transport.send(Request("forge", "api", "route", f"{root}/good"))
    assert set(names) == {HOST}


async def test_a_host_of_the_settings_may_be_private(server: Server) -> None:
    """Loopback is requested if the site does not have to be public."""
    async with HttpTransport({"forge": Site((server.root,))}, user_agent="test") as transport:
        found = await transport.send(Request("forge", "api", "route", f"{server.root}/good"))
    assert isinstance(found, Response)


@pytest.mark.parametrize(("addresses", "arriving"), [(["10.0.0.1"], 0), ([PUBLIC], 1), (OSError("no such name"), 1)])
async def test_behind_a_proxy(server: Server, monkeypatch: pytest.MonkeyPatch, addresses: Any, arriving: int) -> None:
    """The proxy connects, so a private name is refused before; a name that only the proxy knows is left to it."""
    monkeypatch.setenv("http_proxy", server.root)
    monkeypatch.delenv("no_proxy", raising=False)

    async def proxied(reader: Any, writer: Any) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(f"GET http://{HOST}/good ".encode())
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with Server(proxied) as proxy:
        monkeypatch.setenv("http_proxy", proxy.root)
        found = await answer_of(Names(addresses), network_of(server))
        assert isinstance(found, Response if arriving else NoAnswer)
        assert proxy.connections == arriving


async def test_the_systems_resolver() -> None:
    """The addresses of a name, without duplicates."""
    found = await system_addresses("localhost", 80)
    assert len(set(found)) == len(found)
    assert set(found) <= {"127.0.0.1", "::1"}
