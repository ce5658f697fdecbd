"""Hosts and addresses that are not public, and are requested only if an operator's setting names them.

A name is judged here by its text. ``fetcher.http.public_only`` judges the addresses that it resolves to.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_LONGEST_NAME = 253

# fmt: off
_SPECIAL: Final = frozenset({
    "alt", "arpa", "corp", "example", "home", "internal", "intranet", "invalid", "lan", "local", "localdomain",
    "localhost", "mail", "onion", "private", "test",
})
# fmt: on
"""Last labels that no public name has: special-use names (RFC 6761, 2606, 6762, 7686) and usual private ones."""

_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
"""The only IPv6 addresses in public use (RFC 4291, 2.4)."""

_TRANSLATED: Final = IPv6Network("64:ff9b::/96")
"""IPv6 addresses that a translator maps to the IPv4 address in their last four bytes (RFC 6052)."""


def private_name(host: str) -> str | None:
    """Return the reason why ``host``, with or without a port, is not the name of a public host; ``None`` if it is."""
    name, port = host.split(":", 1) if ":" in host else (host, None)
    if host.startswith("[") or _is_number(name.rpartition(".")[2]):
        return "an IP address, not a public host"
    if port is not None and not (port.isascii() and port.isdigit()):
        return "not a valid host name"
    labels = name.split(".")
    if len(labels) < 2:
        return "a name without a dot, not a public host"
    if labels[-1] in _SPECIAL:
        return "a private or reserved name, not a public host"
    if len(name) > _LONGEST_NAME or not all(_LABEL.fullmatch(label) for label in labels):
        return "not a valid host name"
    return None


def private_address(text: str) -> str | None:
    """Return the reason why an IP address is not public; ``None`` if it is.

    An IPv6 address that carries an IPv4 address is as public as that one.
    """
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return "not an IP address"
    return next((reason for one in _carried(address) if (reason := _reason(one)) is not None), None)


def _reason(address: IPv4Address | IPv6Address) -> str | None:
    if address.is_loopback:
        return "a loopback address"
    if address.is_link_local:
        return "a link-local address"
    if address.is_multicast:
        return "a multicast address"
    if address.is_unspecified:
        return "the unspecified address"
    outside = isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST
    return "a private or reserved address" if outside or not address.is_global else None


def _is_number(label: str) -> bool:
    """Return whether a last label is numeric: inet_aton reads 127.1, 0x7f.1 and 2130706433 as addresses."""
    return re.fullmatch(r"[0-9]+|0x[0-9a-f]*", label) is not None


def _carried(address: IPv4Address | IPv6Address) -> tuple[IPv4Address | IPv6Address, ...]:
    """Return the addresses that packets to ``address`` reach: those inside it, otherwise itself."""
    if isinstance(address, IPv4Address):
        return (address,)
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo
    return (IPv4Address(address.packed[12:]),) if address in _TRANSLATED else (address,)
