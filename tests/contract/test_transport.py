"""One contract for every transport, on the scripted fake and on the real one before a small server on loopback.

Hangs, resets, cut bodies and bombs need a real connection, so they are tested on the real transport only.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from fetcher.domain.errors import ConfigError, RejectedCredential
from fetcher.http.messages import Answer, Fault, NoAnswer, Request, Response
from fetcher.http.transport import HttpTransport
from fetcher.ports import Site, Transport
from fetcher.simulator.catalogue import synthetic
from fetcher.simulator.server import Simulator
from fetcher.upstreams.github.auth import App
from fetcher.upstreams.github.limits import Resource
from fetcher.upstreams.pypi.limits import PYPI
from tests.harness.fakes import ScriptedTransport
from tests.harness.tls import garbling_server, new_certificate

BEARER = "Bearer ghp_MARKED"


@dataclass(frozen=True)
class Reply:
    """The server's response on a path."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


REPLIES = {
    "/good": Reply(b'{"a": 1}', headers={"Content-Type": "application/json", "ETag": '"x"'}),
    "/long": Reply(b"x" * 5_000),
    "/missing": Reply(b'{"message": "Not Found"}', 404),
    "/long-error": Reply(b"e" * 5_000, 502),
    "/moved": Reply(b"over there", 301, {"Location": "/good"}),
    "/unchanged": Reply(b"", 304),
    "/empty": Reply(b""),
}
GITHUB, OTHER = "https://github.invalid", "https://elsewhere.invalid"


@dataclass
class Harness:
    """A transport, the root of its permitted addresses, and the requests that arrived."""

    transport: Transport
    root: str
    arrived: list[Request]

    def request(self, path: str = "/good", **fields: Any) -> Request:
        usual: dict[str, Any] = {"upstream": "github", "resource": Resource.CORE, "route": "repository"}
        return Request(**{**usual, "url": self.root + path, **fields})

    async def send(self, path: str = "/good", **fields: Any) -> Answer:
        return await self.transport.send(self.request(path, **fields))

    async def good(self, path: str = "/good", **fields: Any) -> Response:
        found = await self.send(path, **fields)
        assert isinstance(found, Response)
        return found


Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


class Server:
    """A server on loopback with a minimal HTTP, which misbehaves on demand."""

    def __init__(self, handle: Handle | None = None) -> None:
        self.arrived: list[Request] = []
        self.connections = 0
        self._handle = handle or self._reply
        self._server: asyncio.Server | None = None
        self.root = ""

    async def __aenter__(self) -> Server:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.root = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._handle(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has gone: what it thinks of that is what is tested
        finally:
            writer.close()

    async def read(self, reader: asyncio.StreamReader) -> Request:
        """Read the next request on this connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        found = Request("github", Resource.CORE, "", self.root + path, method, headers, body or None)
        self.arrived.append(found)
        return found

    async def _reply(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await self.read(reader)
            write(writer, REPLIES[request.url.removeprefix(self.root)])
            await writer.drain()


def write(writer: asyncio.StreamWriter, reply: Reply, length: int | None = None) -> None:
    """Write a reply in its form on the wire; ``length`` may declare more bytes than there are."""
    headers = {**reply.headers, "Content-Length": str(len(reply.body) if length is None else length)}
    lines = [f"HTTP/1.1 {reply.status} Whatever", *(f"{name}: {value}" for name, value in headers.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode() + reply.body)


class Credential:
    """A credential that counts how often its value is read."""

    def __init__(self, value: str | None = BEARER) -> None:
        self.value = value
        self.request = 0

    async def header(self) -> str | None:
        self.request += 1
        return self.value


@dataclass
class NoCredentialToday:
    """An App whose token cannot be renewed."""

    why: ConfigError

    async def header(self) -> str | None:
        raise self.why


def real(*roots: str, credential: Any = None) -> HttpTransport:
    sites = {"github": Site(roots, credential or Credential()), "pypi": Site(roots)}
    return HttpTransport(sites, user_agent="fetcher-test (nobody)", backoff=0)


@pytest.fixture(params=["scripted", "httpx"])
async def harness(request: pytest.FixtureRequest) -> AsyncIterator[Harness]:
    """Provide the same script behind the fake and behind the real transport."""
    if request.param == "scripted":

        def script(request: Request) -> Answer:
            reply = REPLIES[request.url.removeprefix(GITHUB)]
            return Response(reply.status, {name.lower(): text for name, text in reply.headers.items()}, reply.body)

        fake = ScriptedTransport(script, [GITHUB], BEARER)
        yield Harness(fake, GITHUB, fake.requests)
        return
    async with Server() as server, real(server.root) as transport:
        yield Harness(transport, server.root, server.arrived)


# --- every transport --------------------------------------------------------------------------------------------


async def test_a_good_answer(harness: Harness) -> None:
    """A response has its status, complete body, header names in lower case, and one attempt."""
    found = await harness.good()
    assert (found.status, found.body, found.attempts) == (200, b'{"a": 1}', 1)
    assert (found.headers["content-type"], found.headers["etag"]) == ("application/json", '"x"')


@pytest.mark.parametrize(("path", "status"), [("/missing", 404), ("/moved", 301), ("/unchanged", 304), ("/empty", 200)])
async def test_any_status_is_an_answer(harness: Harness, path: str, status: int) -> None:
    """The transport does not interpret the status and follows no redirect."""
    found = await harness.good(path)
    assert (found.status, found.body) == (status, REPLIES[path].body)
    assert [request.url for request in harness.arrived] == [harness.root + path]


async def test_a_request_as_sent(harness: Harness) -> None:
    """Method, headers and body arrive as they were built."""
    await harness.good(method="POST", headers={"accept": "application/json", "if-none-match": '"y"'}, body=b'{"q": 2}')
    (request,) = harness.arrived
    assert (request.method, request.body) == ("POST", b'{"q": 2}')
    assert (request.headers["accept"], request.headers["if-none-match"]) == ("application/json", '"y"')


async def test_the_credential_is_githubs_alone(harness: Harness) -> None:
    """Requests to GitHub carry the credential, requests to the index do not."""
    await harness.good()
    await harness.good(upstream=PYPI)
    assert [request.headers.get("authorization") for request in harness.arrived] == [BEARER, None]


@pytest.mark.parametrize("path", ["/long", "/long-error"])
async def test_a_body_has_a_cap(harness: Harness, path: str) -> None:
    """A body above the limit is no response, whatever the status; one of exactly the limit is."""
    found = await harness.send(path, max_bytes=4_999)
    assert isinstance(found, NoAnswer)
    assert found.fault is Fault.TOO_LARGE
    assert "4999" in found.reason
    assert len((await harness.good(path, max_bytes=5_000)).body) == 5_000


@pytest.mark.parametrize(
    "spelt",
    [
        lambda root: f"{OTHER}/good",
        lambda root: "http://169.254.169.254/latest/meta-data",
        lambda root: "file:///etc/passwd",
        lambda root: f"{root}@elsewhere.invalid/good",
        lambda root: f"{urlsplit(root).scheme}://{urlsplit(root).hostname}:1/good",
        lambda root: f"ftp{root.removeprefix('https').removeprefix('http')}/good",
        lambda root: f"{root}.elsewhere.invalid/good",
        lambda root: "https://[broken/good",
        lambda root: "",
    ],
)
async def test_only_the_configured_origins_are_contacted(harness: Harness, spelt: Callable[[str], str]) -> None:
    """No address from a document or a response leads to another origin, with or without a credential."""
    found = await harness.transport.send(replace(harness.request(), url=spelt(harness.root)))
    assert isinstance(found, NoAnswer)
    assert found.fault is Fault.FORBIDDEN_HOST
    assert harness.arrived == []


async def test_a_stream_feeds_a_good_answer(harness: Harness) -> None:
    """The body of a 200 goes to the feed within the same limit, and the response's own body stays empty."""
    fed = bytearray()
    found = await harness.transport.stream(harness.request("/long"), fed.extend)
    assert isinstance(found, Response)
    assert (bytes(fed), found.body, found.status) == (b"x" * 5_000, b"", 200)
    found = await harness.transport.stream(harness.request("/long", max_bytes=100), fed.extend)
    assert isinstance(found, NoAnswer)
    assert found.fault is Fault.TOO_LARGE


async def test_a_stream_keeps_another_answer(harness: Harness) -> None:
    """With another status the feed receives nothing, and the body is in the response."""
    fed = bytearray()
    found = await harness.transport.stream(harness.request("/missing"), fed.extend)
    assert isinstance(found, Response)
    assert (bytes(fed), found.status, found.body) == (b"", 404, REPLIES["/missing"].body)


# --- real connections -------------------------------------------------------------------------------------------


@pytest.fixture
async def opened() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def before(opened: AsyncExitStack, handle: Handle | None = None, **fields: Any) -> tuple[Harness, Server]:
    """Return the real transport, connected to a server with this handler."""
    server = await opened.enter_async_context(Server(handle))
    transport = await opened.enter_async_context(real(server.root, **fields))
    return Harness(transport, server.root, server.arrived), server


async def fault(harness: Harness, **fields: Any) -> NoAnswer:
    """Assert that there is no response, with a reason of one line that names the host and has no secret."""
    found = await harness.send(**fields)
    assert isinstance(found, NoAnswer)
    assert found.reason.startswith("127.0.0.1: ")
    assert "\n" not in found.reason
    assert "MARKED" not in found.reason
    return found


async def test_one_connection_for_many_requests(opened: AsyncExitStack) -> None:
    """The client is kept open, and each request has the user agent."""
    harness, server = await before(opened)
    for _ in range(5):
        await harness.good()
    assert server.connections == 1
    assert {request.headers["user-agent"] for request in harness.arrived} == {"fetcher-test (nobody)"}


async def test_without_a_credential(opened: AsyncExitStack) -> None:
    """Anonymous requests have no Authorization."""
    harness, _ = await before(opened, credential=Credential(None))
    await harness.good()
    assert "authorization" not in harness.arrived[0].headers


async def test_a_redirect_does_not_take_the_credential_along(opened: AsyncExitStack) -> None:
    """Another server in a redirect is never contacted, not even by a request for its address."""
    elsewhere = await opened.enter_async_context(Server())

    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.read(reader)
        write(writer, Reply(b"", 302, {"Location": f"{elsewhere.root}/good"}))

    harness, server = await before(opened, redirect)
    found = await harness.good()
    assert found.status == 302
    again = await harness.transport.send(Request("github", Resource.CORE, "", found.headers["location"]))
    assert isinstance(again, NoAnswer)
    assert (again.fault, elsewhere.connections) == (Fault.FORBIDDEN_HOST, 0)


@pytest.mark.parametrize("status", [200, 500])
async def test_a_compressed_bomb_has_the_same_cap(opened: AsyncExitStack, status: int) -> None:
    """The limit applies to the decompressed size, for an error as for a good response."""
    bomb = Reply(gzip.compress(b"\0" * 20_000_000), status, {"Content-Encoding": "gzip"})

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.read(reader)
        write(writer, bomb)
        await writer.drain()

    harness, server = await before(opened, reply)
    assert len(bomb.body) < 30_000
    found = await harness.send(max_bytes=1_000_000)
    assert isinstance(found, NoAnswer)
    assert found.fault is Fault.TOO_LARGE


@pytest.mark.parametrize("coding", ["gzip, gzip", "gzip, gzip, gzip", "deflate, gzip", "br", "zstd", "compress", "x"])
async def test_codings_that_were_not_requested(opened: AsyncExitStack, coding: str) -> None:
    """A coding within a coding, which makes gigabytes of a few bytes, and an unknown one are not decoded."""
    body = gzip.compress(gzip.compress(gzip.compress(b"\0" * 10_000_000)))

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.read(reader)
        write(writer, Reply(body, headers={"Content-Encoding": coding}))
        await writer.drain()

    harness, server = await before(opened, reply)
    found = await fault(harness)
    assert found.fault is Fault.BROKEN
    assert f"its coding {coding!a} was not requested" in found.reason


async def test_a_compressed_answer_is_unpacked(opened: AsyncExitStack) -> None:
    """Usual compressions are offered and decoded."""

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.read(reader)
        write(writer, Reply(gzip.compress(b'{"a": 1}'), headers={"Content-Encoding": "gzip"}))

    harness, server = await before(opened, reply)
    assert (await harness.good()).body == b'{"a": 1}'
    assert harness.arrived[0].headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize("endless", ["body", "silence"])
async def test_the_complete_exchange_has_a_limit(opened: AsyncExitStack, endless: str) -> None:
    """A silent server and one that sends slowly without end are left after the request's time limit."""
    gone = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await server.read(reader)
            if endless == "body":
                write(writer, Reply(b"{"), length=100)
                await writer.drain()
            await reader.read()
        finally:  # on a busy machine the limit may be over before the request has arrived
            gone.set()

    harness, server = await before(opened, drip)
    found = await fault(harness, timeout=0.5)
    assert found.fault is Fault.TIMED_OUT
    await gone.wait()
    assert server.connections == 1


async def test_a_body_cut_short_is_broken(opened: AsyncExitStack) -> None:
    """Fewer bytes than announced are no response, and the request is not repeated here."""

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.read(reader)
        write(writer, Reply(b'{"a": '), length=8)

    harness, server = await before(opened, cut)
    assert (await fault(harness)).fault is Fault.BROKEN
    assert server.connections == 1


async def test_a_reset_is_broken(opened: AsyncExitStack) -> None:
    """A connection reset after the request was sent is not repeated here, because it may have cost quota."""

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.read(reader)
        connection: socket.socket = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    harness, server = await before(opened, reset)
    assert (await fault(harness)).fault is Fault.BROKEN
    assert server.connections == 1


@pytest.mark.parametrize(
    "nonsense",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
        b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 300_000,
        b"",
    ],
)
async def test_a_response_that_is_no_http_is_a_fault(opened: AsyncExitStack, nonsense: bytes) -> None:
    """Another protocol, wrong framing or compression, an endless head and an empty response are faults."""

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.read(reader)
        writer.write(nonsense)
        await writer.drain()

    harness, server = await before(opened, reply)
    assert (await fault(harness)).fault is Fault.BROKEN


async def test_a_broken_tls_record_is_a_fault(
    opened: AsyncExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """httpx lets ``ssl.SSLError`` through while a response is read. It would end the batch."""
    certificate = new_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.certificate))
    root = await opened.enter_async_context(garbling_server(certificate))
    transport = await opened.enter_async_context(real(root))
    assert (await fault(Harness(transport, root, []))).fault is Fault.BROKEN


async def test_no_server_listens(opened: AsyncExitStack) -> None:
    """A port without a server is unreachable, which costs no quota."""
    async with Server() as server:
        pass
    transport = await opened.enter_async_context(real(server.root))
    found = await fault(Harness(transport, server.root, []))
    assert found.fault is Fault.UNREACHABLE


async def test_failures_to_connect_are_repeated(opened: AsyncExitStack) -> None:
    """A failed handshake is tried three times; then the upstream is unreachable."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)

    server = await opened.enter_async_context(Server(hang_up))
    root = server.root.replace("http://", "https://")
    transport = await opened.enter_async_context(real(root))
    found = await fault(Harness(transport, root, []))
    assert (found.fault, server.connections) == (Fault.UNREACHABLE, 3)


@pytest.mark.parametrize(
    ("kind", "fault_kind"), [(ConfigError, Fault.UNREACHABLE), (RejectedCredential, Fault.NO_CREDENTIAL)]
)
async def test_a_credential_that_cannot_be_had(
    opened: AsyncExitStack, kind: type[ConfigError], fault_kind: Fault
) -> None:
    """Without its credential nothing is sent, and a refusal differs from an outage."""
    harness, server = await before(opened, credential=NoCredentialToday(kind("GitHub refuses the installation token")))
    found = await fault(harness)
    assert (found.fault, server.connections) == (fault_kind, 0)
    assert "installation token" in found.reason


async def test_an_address_that_cannot_be_sent(opened: AsyncExitStack) -> None:
    """A control character within an address on the right host is refused before anything is sent."""
    harness, server = await before(opened)
    found = await fault(harness, path="/good\x00bad")
    assert (found.fault, server.connections) == (Fault.FORBIDDEN_HOST, 0)


async def test_requests_at_once_are_all_answered(opened: AsyncExitStack) -> None:
    """Concurrent requests above the number of connections wait for one."""
    harness, server = await before(opened)
    found = await asyncio.gather(*(harness.good() for _ in range(60)))
    assert [one.status for one in found] == [200] * 60
    assert server.connections <= 20


# --- a GitHub App's token ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def app_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()


async def test_an_apps_token_is_fetched_once_and_used(opened: AsyncExitStack, app_key: str) -> None:
    """Concurrent requests share one installation token, which the simulator accepts."""
    with Simulator(synthetic(1)) as simulator:
        app = App("12", app_key, 34, simulator.github_url)
        transport = await opened.enter_async_context(real(simulator.github_url, credential=app))
        harness = Harness(transport, simulator.github_url, [])
        found = await asyncio.gather(*(harness.good("/rate_limit") for _ in range(4)))
        assert {one.status for one in found} == {200}
        assert json.loads(found[0].body)["rate"]["limit"] == 5_000
        assert simulator.log.count("installation_token") == 1
        identities = {entry.identity for entry in simulator.log.entries if entry.route == "rate_limit"}
        assert identities == {"installation 34"}


async def test_an_app_that_is_refused(opened: AsyncExitStack, app_key: str) -> None:
    """GitHub's refusal of the App is one line with a remedy, and no request is sent without a token."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await server.read(reader)
            write(writer, Reply(b'{"message": "Integration not found"}', 404, {"Content-Type": "application/json"}))
            await writer.drain()

    _, server = await before(opened, refuse)
    app = App("12", app_key, 34, server.root)
    with pytest.raises(RejectedCredential, match=r"refuses the App's installation token \(status 404\)"):
        await app.header()


async def test_an_app_whose_github_is_unreachable(app_key: str) -> None:
    """An unreachable GitHub is one line as well."""
    async with Server() as server:
        pass
    with pytest.raises(ConfigError, match="cannot be reached for an installation token"):
        await App("12", app_key, 34, server.root).header()
