"""Addresses to which webhooks may be sent. Names are judged here by their text, resolved addresses by the client."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from fetcher.catalogue.public_hosts import private_name


def unfit_url(url: str, private_hosts: Collection[str]) -> str | None:
    """Return the reason why webhooks cannot be sent to ``url``; ``None`` if they can.

    ``private_hosts`` are those that an operator allows to be private and without TLS.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "it is not a URL"
    if parts.scheme not in ("https", "http") or not host or not url.isascii() or not url.isprintable() or " " in url:
        return "it is not an https URL"
    if parts.username is not None or parts.password is not None:
        return "it contains a user name or a password; messages are signed instead"
    if host in private_hosts:
        return None
    if parts.scheme != "https":
        return "it does not begin with https://"
    return private_name(f"[{host}]" if ":" in host else host)


def hosts_of(text: str) -> frozenset[str]:
    """Return the hosts of a list separated by commas."""
    return frozenset(one.strip().lower() for one in text.split(",") if one.strip())
