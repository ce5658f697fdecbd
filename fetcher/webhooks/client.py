"""The HTTP client of webhooks. It follows no redirect, and connects to public addresses only.

Addresses are resolved and judged at every attempt, because a name can change after the endpoint was added. The hosts
of ``FETCHER_WEBHOOK_HOSTS`` are exempt. The response's body is not read: it is the receiver's business, and showing it
would let an endpoint read an internal service.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Collection, Mapping
from datetime import datetime

import httpx

from fetcher.domain.webhooks import Attempt, read_retry_after
from fetcher.http.public_only import PrivateAddress, PublicNetwork, PublicTransport, address_of
from fetcher.webhooks.addresses import unfit_url

ATTEMPT_SECONDS = 15.0
"""Longest time of one attempt, from the connection to the status. The specification names 15 to 30 seconds."""

IN_FLIGHT = 20
"""Concurrent attempts. httpx 0.28 slows down sharply beyond (encode/httpx#3215)."""


class WebhookClient:
    """One client for all endpoints, created in the event loop that uses it."""

    def __init__(
        self,
        user_agent: str,
        private_hosts: Collection[str] = (),
        network: PublicNetwork | None = None,
        seconds: float = ATTEMPT_SECONDS,
    ) -> None:
        limits = httpx.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT, keepalive_expiry=30)
        self._private_hosts = private_hosts
        self._headers = {"user-agent": user_agent, "content-type": "application/json"}
        self._public = httpx.AsyncClient(transport=PublicTransport(network or PublicNetwork(), limits), timeout=seconds)
        self._private = httpx.AsyncClient(limits=limits, timeout=seconds, trust_env=False)
        self._seconds = seconds

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], now: datetime) -> Attempt:
        """Send a message once. The result states the status, or the reason why there is none."""
        unfit = unfit_url(url, self._private_hosts)
        if unfit is not None:
            return Attempt(None, f"refused: {unfit}")
        try:
            address = address_of(url)
        except httpx.InvalidURL as error:
            return Attempt(None, f"refused: {error}")
        client = self._private if address.host in self._private_hosts else self._public
        try:
            async with (
                asyncio.timeout(self._seconds),
                client.stream("POST", address, content=body, headers={**self._headers, **headers}) as response,
            ):
                retry_after = read_retry_after(response.headers.get("retry-after"), now)
                return Attempt(response.status_code, _reason(response.status_code), retry_after)
        except PrivateAddress as error:
            reason = str(error).partition(". ")[0]
            return Attempt(None, f"refused: {reason}. FETCHER_WEBHOOK_HOSTS names hosts that may be private")
        except (TimeoutError, httpx.TimeoutException):
            return Attempt(None, f"no response within {self._seconds:g} s")
        except (httpx.HTTPError, ssl.SSLError) as error:  # httpx lets SSLError through in reads
            return Attempt(None, f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._public.aclose()
        await self._private.aclose()


def _reason(status: int) -> str:
    if 200 <= status < 300:
        return ""
    return "redirects are not followed" if 300 <= status < 400 else f"status {status}"
