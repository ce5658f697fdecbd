"""Connections to public addresses only: names are resolved once, judged, and connected to by the judged address.

Editors and responses name hosts, so a name may resolve to an address inside the operator's network. Resolving again at
the connection would let a name change in between. The TLS name and the ``Host`` header stay the host's own.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TypeAlias
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from fetcher.catalogue.public_hosts import private_address
from fetcher.http.messages import origin

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""A resolver: the IP addresses of a host, for connections to a port. ``OSError`` if there is none."""


class PrivateAddress(Exception):
    """A host that resolves to an address which is not public. Nothing was sent."""


async def system_addresses(host: str, port: int) -> Sequence[str]:
    """Return the host's addresses in the system's order, without duplicates."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def public_addresses(host: str, port: int, resolve: Resolve) -> Sequence[str]:
    """Return the addresses of ``host``; ``PrivateAddress`` if one of them is not public.

    One private address among public ones refuses them all: their order is the name server's choice.
    """
    addresses = await resolve(host, port)
    for address in addresses:
        reason = private_address(address)
        if reason is not None:
            raise PrivateAddress(f"it resolves to {reason}. Name the host in FETCHER_FORGES if that is intended")
    return addresses


def address_of(url: str) -> httpx.URL:
    """Parse ``url``; ``httpx.InvalidURL`` if it is none, also for an international name with a broken encoding.

    httpx raises ``UnicodeError`` for such a name, and only when the host is first used.
    """
    address = httpx.URL(url)
    try:
        _ = address.host
    except UnicodeError as error:
        raise httpx.InvalidURL(f"the host is not a valid international name: {error}") from None
    return address


def is_proxied(url: str) -> bool:
    """Return whether the environment names a proxy for ``url``."""
    where, proxies = origin(url), getproxies()
    if where is None or not {where.scheme, "all"} & proxies.keys():
        return False
    return not proxy_bypass(where.host)


class PublicNetwork(httpcore.AsyncNetworkBackend):
    """A network backend that connects to public addresses only, through ``inner``."""

    def __init__(self, resolve: Resolve | None = None, inner: httpcore.AsyncNetworkBackend | None = None) -> None:
        self._resolve = resolve or system_addresses
        self._inner = inner or httpcore.AnyIOBackend()

    async def judge(self, url: str) -> None:
        """Raise ``PrivateAddress`` if the host of ``url`` is private. A name that only the proxy resolves passes."""
        where = origin(url)
        if where is not None:
            with suppress(OSError, UnicodeError):
                await public_addresses(where.host, where.port or 0, self._resolve)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  (httpcore's protocol)
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first of the host's addresses that accepts."""
        try:
            addresses = await asyncio.wait_for(public_addresses(host, port, self._resolve), timeout)
        except TimeoutError:
            raise httpcore.ConnectTimeout(f"the name {host} is not resolved in time") from None
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"the name {host} cannot be resolved ({error})") from None
        failure: Exception = httpcore.ConnectError(f"the name {host} has no address")
        for address in addresses:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109  (httpcore's protocol)
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Refuse: no forge is behind a Unix socket."""
        raise PrivateAddress("a Unix socket is not a public address")

    async def sleep(self, seconds: float) -> None:
        """Sleep as ``inner`` does."""
        await self._inner.sleep(seconds)


class PublicTransport(httpx.AsyncBaseTransport):
    """An httpx transport over ``network``, without proxies. Errors are httpx's own."""

    def __init__(self, network: httpcore.AsyncNetworkBackend, limits: httpx.Limits) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=network,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send ``request`` and return the response, whose body is still to be read."""
        if not isinstance(request.stream, httpx.AsyncByteStream):
            raise TypeError("the body of an asynchronous request must be asynchronous")
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        with _httpx_errors():
            response = await self._pool.handle_async_request(
                httpcore.Request(
                    request.method,
                    url,
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        return httpx.Response(
            response.status, headers=response.headers, stream=_Body(response), extensions=response.extensions
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    """The body of a response, as it arrives."""

    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _httpx_errors():
            async for part in self._response.aiter_stream():
                yield part

    async def aclose(self) -> None:
        with _httpx_errors():
            await self._response.aclose()


@contextmanager
def _httpx_errors() -> Iterator[None]:
    """Raise httpcore's errors as httpx's errors, which have the same names."""
    try:
        yield
    except tuple(_ERRORS) as error:
        raise _ERRORS[type(error)](str(error)) from error


_ERRORS: dict[type[Exception], type[httpx.TransportError]] = {
    httpcore.ConnectTimeout: httpx.ConnectTimeout,
    httpcore.ReadTimeout: httpx.ReadTimeout,
    httpcore.WriteTimeout: httpx.WriteTimeout,
    httpcore.PoolTimeout: httpx.PoolTimeout,
    httpcore.ConnectError: httpx.ConnectError,
    httpcore.ReadError: httpx.ReadError,
    httpcore.WriteError: httpx.WriteError,
    httpcore.LocalProtocolError: httpx.LocalProtocolError,
    httpcore.RemoteProtocolError: httpx.RemoteProtocolError,
    httpcore.UnsupportedProtocol: httpx.UnsupportedProtocol,
}
