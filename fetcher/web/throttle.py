"""Delays after wrong log-ins, for each client address."""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

FREE = 3
"""Wrong tokens before the first delay, for typing errors."""
FIRST, LONGEST = timedelta(seconds=1), timedelta(seconds=60)
"""The first delay, which doubles with each wrong token, and the longest one."""
FORGOTTEN = timedelta(minutes=15)
"""Time without a wrong token after which an address starts again."""
ADDRESSES = 4096
"""Most addresses in memory. Beyond it, the one that has been silent longest is forgotten."""
_SITE = 64
"""Length of the IPv6 prefix that counts as one address. A host has all addresses of its prefix."""


@dataclass(frozen=True, slots=True)
class _Failures:
    number: int
    at: datetime
    until: datetime


class LoginThrottle:
    """Wrong tokens by address. During a delay no token of the address is checked, not even the right one.

    Otherwise parallel requests could guess as quickly as without delays. Sessions that are open are not affected.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def delay(self, address: str, now: datetime) -> timedelta:
        """Return the time until a token of ``address`` is checked again; zero if it is checked now."""
        with self._lock:
            found = self._failures.get(_site(address))
            return max(found.until - now, timedelta(0)) if found is not None else timedelta(0)

    def failed(self, address: str, now: datetime) -> int:
        """Record a wrong token; returns the number of wrong ones of this address."""
        site = _site(address)
        with self._lock:
            found = self._failures.pop(site, None)
            number = 1 + (found.number if found is not None and now - found.at < FORGOTTEN else 0)
            doublings = min(max(number - FREE, 0), 10)
            delay = min(FIRST * 2 ** (doublings - 1), LONGEST) if doublings else timedelta(0)
            self._failures[site] = _Failures(number, now, now + delay)
            if len(self._failures) > ADDRESSES:
                self._failures.popitem(last=False)
            return number

    def succeeded(self, address: str) -> None:
        """Forget the wrong tokens of this address."""
        with self._lock:
            self._failures.pop(_site(address), None)

    def __len__(self) -> int:
        return len(self._failures)


def _site(address: str) -> str:
    """Return the address, or the network of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    mapped = parsed.ipv4_mapped
    return str(mapped) if mapped else str(ipaddress.ip_network((int(parsed), _SITE), strict=False))
