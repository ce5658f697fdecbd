"""Reading of repositories over git's own protocol, for every forge and within the quota.

A repository is read in one or two requests: the references, then a pack of commits. ``GET info/refs`` is sent only if a
host insists on it, or to learn the cause of a failure: the object format, an old protocol version, a web page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar
from urllib.parse import quote, unquote, urljoin, urlsplit

from fetcher.domain.model import Purpose
from fetcher.domain.outcome import BlockCause, Blocked, Deferred, Fetched, Malformed, NonValue, Outcome, Throttled
from fetcher.domain.outcome import Transient as Temporary
from fetcher.git import requests
from fetcher.git.answers import ADVERTISEMENT, RESULT, read_status
from fetcher.git.histories import History
from fetcher.git.packs import BadPack, PackTooLarge, read_pack
from fetcher.git.requests import Commits, format_of
from fetcher.git.responses import (
    Advertisement,
    BadResponse,
    References,
    read_advertisement,
    read_fetched,
    read_references,
)
from fetcher.http.gateway import Gateway
from fetcher.http.messages import Answer, Request, Response
from fetcher.ports import Clock

T = TypeVar("T")

REFERENCES, PACK, CAPABILITIES = "git_references", "git_pack", "git_capabilities"
"""Routes of git's requests."""

PACK_BYTES: Final = 32 * 1024 * 1024
"""Largest response with a pack. A commit takes 230 to 510 bytes, so 60,000 commits fit."""

SMALL_BYTES: Final = 4 * 1024 * 1024
"""Largest response with references or capabilities."""

PACK_SECONDS: Final = 45.0
"""Seconds for a response with a pack. A server of a large repository begins to send after some seconds."""

_SERVICE: Final = "git-upload-pack"
_USER_AGENT_PREFIX: Final = "git/2.0 "
"""Some hosts recognise git by the beginning of its User-Agent."""
_VERSION: Final = {"git-protocol": "version=2"}


@dataclass(frozen=True, slots=True)
class Tip:
    """The tip of a repository's default branch. ``path`` is its present path if the host redirected the request."""

    oid: str | None
    branch: str | None
    empty: bool
    path: str | None = None


@dataclass(slots=True)
class GitReader:
    """A reader of the repositories of one host. It remembers for the process how the host has to be asked."""

    upstream: str
    """Upstream whose quota and origins the requests use."""
    resource: str
    root: str
    """Root of clone addresses."""
    gateway: Gateway
    clock: Clock
    insists: bool | None = None
    """True if the host answers only after ``info/refs``; ``None`` until a response shows it."""
    filters: bool | None = None
    """True if the host can leave out trees and files; ``None`` until a response shows it."""
    _parsing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

    async def tip(
        self, path: str, purpose: Purpose, known_oid: str | None = None, *, continuation: bool = False
    ) -> Outcome[Tip]:
        """Request the tip of the default branch; ``known_oid`` is an earlier one, which shows the object format.

        ``continuation`` is that of ``history``.
        """
        object_format = format_of(known_oid)
        moved: list[str] = []
        if self.insists is not True:
            found = await self._references(path, purpose, object_format, moved, continuation=continuation)
            continuation = True
            if isinstance(found, Fetched):
                self.insists = False
            if not self._is_unclear(found):
                return await self._tip(path, found, purpose, object_format, moved)
        advertised = await self._advertisement(path, purpose, moved, continuation=continuation)
        if not isinstance(advertised, Fetched):
            return advertised
        offered = advertised.value.object_format
        found = await self._references(path, purpose, offered, moved, continuation=True)
        if isinstance(found, Fetched) and offered == object_format:
            self.insists = True
        return await self._tip(path, found, purpose, offered, moved)

    async def history(
        self, path: str, commits: Commits, purpose: Purpose, *, continuation: bool = False
    ) -> Outcome[History]:
        """Request commits. The outcome is ``Blocked`` with ``TOO_LARGE`` if they are more than the limits permit.

        ``continuation`` states that the request belongs to an earlier one, which would otherwise be repeated.
        """
        if self.insists or self.filters is None:
            advertised = await self._advertisement(path, purpose, [], continuation=continuation)
            if not isinstance(advertised, Fetched):
                return advertised
        if not self.filters and commits.since is None and commits.depth is None:
            reason = "git: the host cannot leave out files, so the full history would be a full clone"
            return Blocked(BlockCause.TOO_LARGE, reason)
        body = requests.fetch(commits, filtered=bool(self.filters))
        request = self._post(path, PACK, body, PACK_BYTES, PACK_SECONDS)
        received = await self.gateway.send(
            request, purpose, lambda answer: self._body(answer, RESULT), continuation=continuation
        )
        if isinstance(received, bytes):
            async with self._parsing:
                return await asyncio.to_thread(_history, received, commits)
        return received

    async def _tip(
        self,
        path: str,
        found: Outcome[References],
        purpose: Purpose,
        object_format: str,
        moved: list[str],
    ) -> Outcome[Tip]:
        """Return the outcome of a tip. Without one, branches of other names tell whether the repository is empty."""
        if not isinstance(found, Fetched):
            return found
        empty = False
        if found.value.head_oid is None:
            branches = await self._references(
                path, purpose, object_format, moved, prefix="refs/heads/", continuation=True
            )
            if not isinstance(branches, Fetched):
                return branches
            empty = branches.value.count == 0
        return Fetched(Tip(found.value.head_oid, found.value.branch, empty, self._moved_to(path, moved)))

    async def _references(
        self,
        path: str,
        purpose: Purpose,
        object_format: str,
        moved: list[str],
        *,
        prefix: str = "HEAD",
        continuation: bool = False,
    ) -> Outcome[References]:
        request = self._post(path, REFERENCES, requests.ls_refs(object_format, prefix), SMALL_BYTES)

        def read(answer: Answer) -> Fetched[References] | NonValue:
            _note_redirect(answer, moved)
            return _parsed(self._body(answer, RESULT), read_references)

        return await self.gateway.send(request, purpose, read, continuation=continuation)

    async def _advertisement(
        self, path: str, purpose: Purpose, moved: list[str], *, continuation: bool = False
    ) -> Outcome[Advertisement]:
        """Request the capabilities, and remember those that the repositories of a host have in common."""
        url = f"{self._address(path)}/info/refs?service={_SERVICE}"
        request = Request(
            self.upstream,
            self.resource,
            CAPABILITIES,
            url,
            headers=_VERSION,
            max_bytes=SMALL_BYTES,
            anonymous=True,
            user_agent_prefix=_USER_AGENT_PREFIX,
        )

        def read(answer: Answer) -> Fetched[Advertisement] | NonValue:
            _note_redirect(answer, moved)
            return _parsed(self._body(answer, ADVERTISEMENT), read_advertisement)

        found = await self.gateway.send(request, purpose, read, continuation=continuation)
        if isinstance(found, Fetched):
            if found.value.version != 2:
                reason = "git: the host supports only the old versions of git's protocol; version 2 is needed"
                return Blocked(BlockCause.ACCESS, reason)
            if not found.value.shallow:
                return Blocked(BlockCause.ACCESS, "git: the host cannot leave out old commits")
            self.filters = found.value.filters
        return found

    def _post(self, path: str, route: str, body: bytes, max_bytes: int, seconds: float | None = None) -> Request:
        return Request(
            self.upstream,
            self.resource,
            route,
            f"{self._address(path)}/{_SERVICE}",
            method="POST",
            headers={**_VERSION, "content-type": f"application/x-{_SERVICE}-request", "accept": RESULT},
            body=body,
            max_bytes=max_bytes,
            timeout=seconds,
            anonymous=True,
            user_agent_prefix=_USER_AGENT_PREFIX,
        )

    def _address(self, path: str) -> str:
        return f"{self.root}/{quote(path, safe='/~')}"

    def _body(self, answer: Answer, expected: str) -> bytes | NonValue:
        return read_status(answer, expected, self.clock.now())

    def _is_unclear(self, found: Outcome[References]) -> bool:
        """Return whether ``info/refs`` may show more about a failure, or may be what the host waits for."""
        if isinstance(found, Fetched | Deferred | Throttled | Temporary):
            return False
        return self.insists is None or isinstance(found, Malformed)

    def _moved_to(self, path: str, moved: list[str]) -> str | None:
        """Return the path to which the host redirected, if it has the form of a clone address below the root."""
        if not moved:
            return None
        root, at = urlsplit(self.root).path, urlsplit(urljoin(f"{self._address(path)}/", moved[-1])).path
        for suffix in (f"/{_SERVICE}", "/info/refs"):
            if at.endswith(suffix) and at.startswith(f"{root}/"):
                found = unquote(at[len(root) + 1 : -len(suffix)]).removesuffix(".git")
                return found if found and found != path.removesuffix(".git") else None
        return None


def _note_redirect(answer: Answer, moved: list[str]) -> None:
    if isinstance(answer, Response) and 300 <= answer.status < 400 and "location" in answer.headers:
        moved.append(answer.headers["location"])


def _parsed(body: bytes | NonValue, parse: Callable[[bytes], T]) -> Fetched[T] | NonValue:
    if not isinstance(body, bytes):
        return body
    try:
        return Fetched(parse(body))
    except BadResponse as error:
        return Malformed(f"git: {error}")


def _history(body: bytes, commits: Commits) -> Fetched[History] | NonValue:
    """Read a response with a pack. It takes half a second of CPU time for 20,000 commits, so it runs in a thread."""
    try:
        found = read_fetched(body)
        if found.pack is None:
            return Fetched(History.of(commits.want, ()))
        return Fetched(History.of(commits.want, read_pack(found.pack, format_of(commits.want)), found.shallow))
    except (BadResponse, BadPack) as error:
        return Malformed(f"git: {error}")
    except PackTooLarge as error:
        return Blocked(BlockCause.TOO_LARGE, f"git: {error}")
