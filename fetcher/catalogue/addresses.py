"""Parsers of editors' addresses of repositories and projects. They never raise.

An address that cannot be fetched becomes ``Unsupported`` with a reason for editors. Neither the reason nor the stored
address holds credentials.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from packaging.utils import InvalidName, canonicalize_name

from fetcher.domain.model import RepoRef, Unsupported

REPOSITORY_EXPECTED = "an https, http, git or ssh address such as https://github.com/owner/name"
PROJECT_EXPECTED = "a project's name, or its address such as https://pypi.python.org/pypi/NAME"

_LONGEST_ADDRESS = 2000
_LONGEST_PROJECT = 200
_DEFAULT_PORTS = {"https": 443, "http": 80, "git": 9418, "ssh": 22}
_SCP = re.compile(r"[A-Za-z0-9._-]+@(?P<host>[A-Za-z0-9.-]+):(?P<path>[^:]+)")
_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,38}")
"""GitHub's rule: 1 to 39 letters, digits and hyphens; managed users of an Enterprise have an underscore as well."""
_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
# fmt: off
_RESERVED = frozenset({
    "about", "account", "apps", "codespaces", "collections", "contact", "customer-stories", "dashboard",
    "enterprise", "events", "explore", "features", "gist", "issues", "join", "login", "logout",
    "marketplace", "new", "notifications", "organizations", "orgs", "pricing", "pulls", "search",
    "security", "sessions", "settings", "signup", "site", "sponsors", "stars", "topics", "trending",
    "users", "watching",
})
# fmt: on
"""First path segments that are GitHub's own pages and never an account."""

# fmt: off
_PAGES = frozenset({
    "-", "tree", "blob", "src", "raw", "wiki", "issues", "pulls", "pull", "releases", "commits", "commit",
    "actions", "archive",
})
# fmt: on
"""Path segments after a repository's name in its pages' addresses, on GitHub and on hosts with deeper paths."""

_PROJECT_PAGES = frozenset({"pypi", "project", "simple", "+simple"})


@dataclass(frozen=True, slots=True)
class _Location:
    scheme: str
    host: str
    path: str

    @property
    def segments(self) -> list[str]:
        return [part for part in self.path.split("/") if part]


def parse_repo_address(text: str | None, hosts: frozenset[str]) -> RepoRef | Unsupported | None:
    """Parse a repository's address; return ``None`` if it is absent.

    Accepted are ``https``, ``http``, ``git`` and ``ssh`` addresses, ``git@host:owner/name``, and pip's ``git+`` prefix
    with its ``@revision``. A ``.git`` suffix, trailing slash, ``www.`` and default port are optional; the host's case
    is ignored. Credentials, query and fragment are ignored. In a web address, segments after owner and name are ignored
    as well: a page of a repository (``/tree/main/part`` of a monorepo, ``/issues``) names that repository. A git
    address ends with the name. ``hosts`` are lower case; one on another port includes that port.
    """
    if text is None or not text.strip():
        return None
    text = text.strip()
    location = _locate(text)
    if isinstance(location, str):
        return _unsupported(text, location)
    host = _supported(location.host, hosts)
    if host is None:
        return _unsupported(text, _wrong_host(location, hosts))
    owner, name, *page = [*location.segments, "", ""][: max(2, len(location.segments))]
    name = name.removesuffix(".git")
    fault = _fault(owner, name)
    if fault is None and any(page) and location.scheme not in {"http", "https"}:
        fault = "expected owner/name and nothing behind it in an address for git"
    return RepoRef(host, owner, name) if fault is None else _unsupported(text, fault)


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


def _locate(text: str) -> _Location | str:
    """Split ``text`` into scheme, host and path; return the expected form if it is not an address."""
    expected = f"expected {REPOSITORY_EXPECTED}"
    if len(text) > _LONGEST_ADDRESS or not text.isprintable() or re.search(r"[\s\\]", text):
        return f"{expected}, without spaces, of at most {_LONGEST_ADDRESS} characters"
    scp = _SCP.fullmatch(text)
    if scp is not None:
        return _Location("ssh", _bare(scp["host"]), scp["path"])
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
    return _Location(scheme, _bare(host) + own_port, path)


def _bare(host: str) -> str:
    return host.lower().removesuffix(".").removeprefix("www.")


def _supported(host: str, hosts: frozenset[str]) -> str | None:
    return next((known for known in (host, f"www.{host}") if known in hosts), None)


def _wrong_host(location: _Location, hosts: frozenset[str]) -> str:
    if location.host.startswith("gist.") and location.host.removeprefix("gist.") in hosts:
        return "a gist is not a repository"
    return f"{_named(location)} is not a supported host (supported: {', '.join(sorted(hosts)) or 'none'})"


def _named(location: _Location) -> str:
    """Return the host for a reason. An ``@`` in the path means a password with a slash, so the host is not shown."""
    return "its host" if "@" in location.path else location.host


def _fault(owner: str, name: str) -> str | None:
    """Return the violation of GitHub's rules for owner and name; ``None`` if they are valid."""
    if not owner:
        return f"expected {REPOSITORY_EXPECTED}, got no owner"
    if owner.lower() in _RESERVED:
        return f"/{owner}/… is a page of the host, not a repository"
    if not _OWNER.fullmatch(owner):
        return "expected an owner of 1 to 39 letters, digits and hyphens"
    if not name:
        return f"it names the account {owner}, not a repository"
    if not _NAME.fullmatch(name) or name in {".", ".."}:
        return "expected a repository name of 1 to 100 letters, digits, dots, hyphens and underscores"
    return None


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
