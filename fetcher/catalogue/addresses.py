"""Parsers of editors' addresses of repositories and projects. They never raise.

An address that cannot be fetched becomes ``Unsupported`` with a reason for editors. Neither the reason nor the stored
address holds credentials.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from packaging.utils import InvalidName, canonicalize_name

from fetcher.domain.model import RepoRef, Unsupported

REPOSITORY_EXPECTED = "an https, http, git or ssh address such as https://github.com/owner/name"
PROJECT_EXPECTED = "a project's name, or its address such as https://pypi.python.org/pypi/NAME"

_LONGEST_ADDRESS = 2000
_LONGEST_PROJECT = 200
_DEFAULT_PORTS = {"https": 443, "http": 80, "git": 9418, "ssh": 22}
_SCP = re.compile(r"[A-Za-z0-9._-]+@(?P<host>[A-Za-z0-9.-]+):(?P<path>[^:]+)")
# fmt: off
_PAGES = frozenset({
    "-", "tree", "blob", "src", "raw", "wiki", "issues", "pulls", "pull", "releases", "commits", "commit",
    "actions", "archive",
})
# fmt: on
"""Path segments after a repository's name in its pages' addresses, on GitHub and on hosts with deeper paths."""

_PROJECT_PAGES = frozenset({"pypi", "project", "simple", "+simple"})


@dataclass(frozen=True, slots=True)
class Location:
    """An address in parts. A port that is not the scheme's default belongs to the host."""

    scheme: str
    host: str
    path: str

    @property
    def segments(self) -> list[str]:
        return [part for part in self.path.split("/") if part]


Grammar: TypeAlias = Callable[[Location], RepoRef | str]
"""A host's grammar of repository paths; a text states the violation."""


def parse_repo_address(
    text: str | None, grammars: Mapping[str, Grammar], elsewhere: Grammar | None = None
) -> RepoRef | Unsupported | None:
    """Parse a repository's address; return ``None`` if it is absent.

    Accepted are ``https``, ``http``, ``git`` and ``ssh`` addresses, ``git@host:path``, and pip's ``git+`` prefix with
    its ``@revision``. A trailing slash, ``www.`` and default port are optional; the host's case is ignored.
    Credentials, query and fragment are ignored. The path is parsed by the host's grammar, on other hosts by
    ``elsewhere``. The keys of ``grammars`` are lower case; a host on another port includes that port.
    """
    if text is None or not text.strip():
        return None
    text = text.strip()
    location = _locate(text)
    if isinstance(location, str):
        return _unsupported(text, location)
    names = (location.host, f"www.{location.host}", _without_port(location))
    host = next((known for known in names if known in grammars), None)
    if host is not None:
        found = grammars[host](replace(location, host=host))
    elif elsewhere is None or _is_gist(location, grammars.keys()) or "@" in location.path:
        found = _wrong_host(location, grammars.keys())
    else:
        found = elsewhere(replace(location, host=_without_port(location)))
    return _unsupported(text, found) if isinstance(found, str) else found


def location_of(text: str | None) -> Location | None:
    """Return the parts of a repository's address, with the host as it is stored; ``None`` if it is no address."""
    location = None if text is None else _locate(text.strip())
    return replace(location, host=_without_port(location)) if isinstance(location, Location) else None


def repository_name(text: str) -> str | None:
    """Return the last name in a repository's address on any host; ``None`` if ``text`` is no such address."""
    location = _locate(text.strip())
    if isinstance(location, str):
        return None
    segments = location.segments
    end = next((i for i, part in enumerate(segments) if i >= 2 and part in _PAGES), len(segments))
    return segments[end - 1].removesuffix(".git") or None if end else None


def parse_project(text: str | None, extra_hosts: frozenset[str] = frozenset()) -> str | Unsupported | None:
    """Parse a project's name or address to its canonical name; return ``None`` if it is absent.

    Accepted web addresses contain ``/pypi/NAME``, ``/project/NAME`` or ``/simple/NAME``; segments after the name are
    ignored. The host has a label ``pypi`` or is in ``extra_hosts``. If the first segment is one of the three, the name
    follows it (``/pypi/simple/NAME`` is a mirror's Simple API). Otherwise the name follows the last of the three
    (``/api/pypi/x/simple/NAME``).
    """
    if text is None or not text.strip():
        return None
    text = text.strip()
    if "/" not in text and ":" not in text:
        return _project(text, text)
    location = _locate(text)
    if isinstance(location, str) or location.scheme not in {"http", "https"}:
        return _unsupported(text, f"expected {PROJECT_EXPECTED}")
    if "pypi" not in location.host.partition(":")[0].split(".") and location.host not in extra_hosts:
        return _unsupported(text, f"{_named(location)} is not a supported package index")
    return _project(_project_segment(location.segments), text)


def _locate(text: str) -> Location | str:
    """Split ``text`` into scheme, host and path; return the expected form if it is not an address."""
    expected = f"expected {REPOSITORY_EXPECTED}"
    if len(text) > _LONGEST_ADDRESS or not text.isprintable() or re.search(r"[\s\\]", text):
        return f"{expected}, without spaces, of at most {_LONGEST_ADDRESS} characters"
    scp = _SCP.fullmatch(text)
    if scp is not None:
        return Location("ssh", _bare(scp["host"]), scp["path"])
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        return expected
    pip = parts.scheme.startswith("git+")
    scheme = parts.scheme.removeprefix("git+")
    if scheme not in _DEFAULT_PORTS or not host:
        return expected
    own_port = "" if port in {None, _DEFAULT_PORTS[scheme]} else f":{port}"
    path = parts.path.partition("@")[0] if pip else parts.path
    return Location(scheme, _bare(host) + own_port, path)


def _bare(host: str) -> str:
    return host.lower().removesuffix(".").removeprefix("www.")


def _without_port(location: Location) -> str:
    """Return the host whose web server has the repository: a port for ssh or git is none of that server."""
    return location.host if location.scheme in {"https", "http"} else location.host.partition(":")[0]


def _is_gist(location: Location, hosts: Collection[str]) -> bool:
    return location.host.startswith("gist.") and location.host.removeprefix("gist.") in hosts


def _wrong_host(location: Location, hosts: Collection[str]) -> str:
    if _is_gist(location, hosts):
        return "a gist is not a repository"
    return f"{_named(location)} is not a supported host (supported: {', '.join(sorted(hosts)) or 'none'})"


def _named(location: Location) -> str:
    """Return the host for a reason. An ``@`` in the path means a password with a slash, so the host is not shown."""
    return "its host" if "@" in location.path else location.host


def _project_segment(segments: list[str]) -> str:
    if segments[:2] == ["pypi", "simple"] and len(segments) > 2:
        return segments[2]
    if segments and segments[0] in _PROJECT_PAGES:
        return segments[1] if len(segments) > 1 else ""
    pages = [i for i, part in enumerate(segments[:-1]) if part in _PROJECT_PAGES]
    return segments[pages[-1] + 1] if pages else ""


def _project(name: str, text: str) -> str | Unsupported:
    try:
        if len(name) > _LONGEST_PROJECT:
            raise InvalidName(name)
        return canonicalize_name(unquote(name), validate=True)
    except InvalidName:
        return _unsupported(text, f"expected {PROJECT_EXPECTED}")


def _unsupported(text: str, reason: str) -> Unsupported:
    return Unsupported(_redacted(text), reason)


def _redacted(text: str) -> str:
    """Return ``text``, printable, without any credentials before its last ``@``; ssh's user ``git`` is kept."""
    text = "".join(c for c in text[:_LONGEST_ADDRESS] if c.isprintable())
    before, at, after = text.rpartition("@")
    scheme, separator, user = before.rpartition("://") if "://" in before else ("", "", before)
    if not at or user == "git":
        return text
    return f"{scheme}{separator}***@{after}"
