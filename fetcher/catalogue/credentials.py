"""Removal of user names and passwords from editors' addresses, before anything is stored, printed or logged.

A user name alone is removed as well, because a token is often given in its place.
"""

from __future__ import annotations

import re
from dataclasses import replace

from fetcher.domain.model import CatalogueEntry

SERVICE_USERS = frozenset({"git", "hg"})
"""User names that every user of a forge has in common. Without a password they stay."""

_AUTHORITY = re.compile(r"(?<=://)([^/?#]*)@")
_SCHEMELESS = re.compile(r"(?://)?(?P<user>[^/@\s]+)@(?P<rest>.*)", re.DOTALL)
_SCP = re.compile(r"[A-Za-z0-9.-]+:(?!//).+", re.DOTALL)
_HOST_AND_PATH = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?::\d+)?/.*", re.DOTALL)
_SECRET_PARAMETER = re.compile(
    r"([?&;][^=&;#]*(?:key|token|secret|pass|pwd|auth|sig|cred|session)[^=&;#]*=)[^&;#]+", re.I
)
_HOST = re.compile(r"[^:\[\]]*(?::\d{0,5})?|\[[0-9A-Fa-f.]*(?::[0-9A-Fa-f.]*){2,}\](?::\d{0,5})?")


def without_credentials(address: str) -> str:
    """Return ``address`` without user information; unchanged if it has none, or a service's user name such as ``git``.

    A password with an unquoted slash, ``?`` or ``#`` is recognized by the host before it, which is not one.
    """
    if "@" not in address:
        return address
    scheme, separator, rest = address.partition("://")
    cleaned = f"{scheme}://{_without_user(rest)}" if separator else _schemeless(address)
    return cleaned if cleaned == address else without_credentials(cleaned)


def without_secrets(source: str) -> str:
    """Return the address of a source as it is stored and printed: without user information, keys or tokens.

    The other parameters stay, because they tell two sources of one host apart.
    """
    return _SECRET_PARAMETER.sub(r"\1***", without_credentials(source))


def without_credentials_in(entry: CatalogueEntry) -> CatalogueEntry:
    """Return ``entry`` with its three addresses without user information; the same object if they have none."""
    given = (entry.repo_url, entry.pypi_url, entry.documentation_url)
    cleaned = tuple(text and without_credentials(text) for text in given)
    if cleaned == given:
        return entry
    repo_url, pypi_url, documentation_url = cleaned
    return replace(entry, repo_url=repo_url, pypi_url=pypi_url, documentation_url=documentation_url)


def _without_user(rest: str) -> str:
    """Return the text after ``://`` without the user information of this address and of any address within it."""
    head = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" not in head and not _is_host(head) and "@" in rest:
        rest = rest.rpartition("@")[2]
    user, at, host = head.rpartition("@")
    if at and user not in SERVICE_USERS:
        rest = host + rest[len(head) :]
    return _AUTHORITY.sub("", rest)


def _is_host(head: str) -> bool:
    """Return whether the beginning of an address can be a host, with or without a port."""
    name = head.partition(":")[0]
    return bool(_HOST.fullmatch(head)) and ("." in name or head.startswith("[") or name.lower() == "localhost")


def _schemeless(address: str) -> str:
    before, _, rest = address.rpartition("@")
    found = _SCHEMELESS.fullmatch(address)
    if found is None:  # a misspelt scheme, or a password with a slash
        return rest if ":" in before and _HOST_AND_PATH.fullmatch(rest) else address
    if found["user"] in SERVICE_USERS:
        return address
    if ":" in found["user"] or _HOST_AND_PATH.fullmatch(found["rest"]):
        return found["rest"]
    return f"git@{found['rest']}" if _SCP.fullmatch(found["rest"]) else address
