"""The HTTP transport (httpx). Only this module opens connections and uses tenacity.

Only failures to *connect* are retried here, because they never reached the upstream and cost no quota. Any other retry
is left to the gateway, under a new reservation. Redirects are never followed here. Requests of an upstream go to its
configured origins only, with its credential only, never to an address from a document or a response. A host that an
editor has named is requested at public addresses only (``fetcher.http.public_only``).
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from types import TracebackType
from typing import Self

import httpx
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from fetcher.domain.errors import FetcherError, RejectedCredential
from fetcher.http.decoding import ACCEPTED, Decoder, UndecodableBody
from fetcher.http.messages import Answer, Fault, NoAnswer, Request, Response, origin
from fetcher.http.public_only import PrivateAddress, PublicNetwork, PublicTransport, address_of, is_proxied
from fetcher.ports import Site

IN_FLIGHT = 16
"""Concurrent requests of one client. httpx 0.28 slows down sharply above 20 (encode/httpx#3215)."""

WHOLE_EXCHANGE = 30.0
"""Seconds for one request and its response, to the last byte."""

_CONNECT_ATTEMPTS = 3
_LIMITS = httpx.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT, keepalive_expiry=60)


class HttpTransport:
    """One client, kept open over many requests and created in the event loop that uses it."""

    def __init__(
        self,
        sites: Mapping[str, Site],
        *,
        user_agent: str,
        backoff: float = 0.2,
        network: PublicNetwork | None = None,
    ) -> None:
        self._user_agent = user_agent
        self._network = network or PublicNetwork()
        self._backoff = backoff
        self.adopt(sites)

    def adopt(self, sites: Mapping[str, Site]) -> None:
        """Replace the sites after an upstream was added. Open connections stay."""
        self._sites = sites
        self._origins = {name: frozenset(origin(root) for root in site.roots) for name, site in sites.items()}

    @cached_property
    def _client(self) -> httpx.AsyncClient:
        """Return the client, made with the first request: an idle worker does without its five megabytes."""
        return self._new_client(None)

    @cached_property
    def _public_client(self) -> httpx.AsyncClient:
        """Return the client of hosts that must be public."""
        return self._new_client(PublicTransport(self._network, _LIMITS))

    def _new_client(self, transport: httpx.AsyncBaseTransport | None) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=transport,
            limits=_LIMITS,
            timeout=httpx.Timeout(10, read=WHOLE_EXCHANGE, pool=WHOLE_EXCHANGE),
            headers={"user-agent": self._user_agent, "accept-encoding": ACCEPTED},
            follow_redirects=False,
            trust_env=True,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        for name in ("_client", "_public_client"):
            if name in self.__dict__:
                await getattr(self, name).aclose()

    async def send(self, request: Request) -> Answer:
        """Send as ``fetcher.ports.Transport`` specifies."""
        body = bytearray()
        answer = await self.stream(request, body.extend)
        if isinstance(answer, NoAnswer):
            return answer
        whole = answer.body or bytes(body)
        return Response(answer.status, answer.headers, whole, answer.seconds, answer.attempts)

    async def stream(self, request: Request, feed: Callable[[bytes], None]) -> Answer:
        """Stream as ``fetcher.ports.Transport`` specifies."""
        asked = origin(request.url)
        if asked is None or asked not in self._origins.get(request.upstream, ()):
            host = asked.host if asked else "this"
            return NoAnswer(Fault.FORBIDDEN_HOST, f"{host} is not an address of the upstream {request.upstream}")
        started = time.monotonic()
        try:
            async with asyncio.timeout(request.timeout or WHOLE_EXCHANGE):
                return await self._exchange(request, feed, started)
        except TimeoutError:
            fault, reason = Fault.TIMED_OUT, f"no whole answer within {request.timeout or WHOLE_EXCHANGE:.0f} s"
        except httpx.TimeoutException as error:
            fault, reason = Fault.TIMED_OUT, f"timed out ({type(error).__name__})"
        except httpx.ConnectError as error:
            fault, reason = Fault.UNREACHABLE, f"cannot connect: {error}"
        except (httpx.TransportError, ssl.SSLError, UndecodableBody) as error:  # httpx lets SSLError through in reads
            fault, reason = Fault.BROKEN, f"connection broken: {error or type(error).__name__}"
        except RejectedCredential as error:
            fault, reason = Fault.NO_CREDENTIAL, str(error)
        except FetcherError as error:
            fault, reason = Fault.UNREACHABLE, str(error)
        except httpx.InvalidURL:
            fault, reason = Fault.FORBIDDEN_HOST, "not an address"
        except PrivateAddress as error:
            fault, reason = Fault.FORBIDDEN_HOST, str(error)
        return NoAnswer(fault, f"{asked.host}: {reason}", time.monotonic() - started)

    async def _exchange(self, request: Request, feed: Callable[[bytes], None], started: float) -> Answer:
        client = await self._client_of(request)
        response = await self._connected(client, await self._build(client, request))
        try:
            headers = {name.lower(): value for name, value in response.headers.items()}
            received, sent, kept = 0, 0, bytearray()
            take = feed if response.status_code == httpx.codes.OK else kept.extend
            decoder = Decoder(headers.get("content-encoding", ""))
            async for raw in response.aiter_raw():
                sent += len(raw)
                for piece in decoder.pieces(raw):
                    received += len(piece)
                    if received > request.max_bytes:
                        break
                    take(piece)
                if max(sent, received) > request.max_bytes:
                    reason = f"the answer is larger than {request.max_bytes} bytes"
                    return NoAnswer(Fault.TOO_LARGE, reason, time.monotonic() - started)
            decoder.end()
            return Response(response.status_code, headers, bytes(kept), time.monotonic() - started)
        finally:
            await response.aclose()

    async def _client_of(self, request: Request) -> httpx.AsyncClient:
        """Return the client for the request's upstream. A proxy resolves names itself, so they are judged before."""
        if not self._sites[request.upstream].public_only:
            return self._client
        if not is_proxied(request.url):
            return self._public_client
        await self._network.judge(request.url)
        return self._client

    async def _build(self, client: httpx.AsyncClient, request: Request) -> httpx.Request:
        headers = dict(request.headers)
        if request.user_agent_prefix:
            headers["user-agent"] = f"{request.user_agent_prefix}{self._user_agent}"
        credential = None if request.anonymous else self._sites[request.upstream].credential
        authorization = None if credential is None else await credential.header()
        if authorization is not None:
            headers["authorization"] = authorization
        return client.build_request(request.method, address_of(request.url), headers=headers, content=request.body)

    async def _connected(self, client: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
        retrying = AsyncRetrying(
            stop=stop_after_attempt(_CONNECT_ATTEMPTS),
            wait=wait_random_exponential(multiplier=self._backoff, max=2),
            retry=retry_if_exception_type((httpx.ConnectError, httpx.ConnectTimeout)),
            reraise=True,
        )
        return await retrying(client.send, request, stream=True)
