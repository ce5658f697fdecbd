"""A package index as an upstream: PyPI, or a mirror of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self
from urllib.parse import urlsplit

from fetcher.catalogue.addresses import parse_project
from fetcher.domain.model import Purpose, Record, Source, Target, Unsupported
from fetcher.domain.scheduling import Cadence
from fetcher.http.messages import Answer, Fault, NoAnswer
from fetcher.ports import Checkpoint, Transport
from fetcher.settings import Settings
from fetcher.upstreams.base import (
    PLANS_AHEAD,
    Checked,
    Cost,
    FeedStatus,
    Finding,
    Lane,
    Tools,
    Upstream,
    UpstreamRefresh,
)
from fetcher.upstreams.pypi import json_request, root_request, simple_request
from fetcher.upstreams.pypi.feed_check import FeedCheck, feed_status
from fetcher.upstreams.pypi.limits import POLICY, PYPI, Route
from fetcher.upstreams.pypi.projects import ProjectsRefresh, is_status_due
from fetcher.upstreams.pypi.serials_check import SerialsCheck

PROJECTS_LANE = Lane(PYPI, (Source.INDEX,), PYPI, 50, 1, share=1 / PLANS_AHEAD)
"""A plan claims what the index serves until the next one, because a longer queue would delay GitHub's batches."""

CONCURRENCY = 6
"""Concurrent requests of one process. With GitHub's, they stay below the transport's limit."""

_PROBED = "pip"
"""A project that most indexes have. If it is missing, the list of all projects is requested."""

_PROBED_BYTES = 64 * 1024
"""Size in bytes above which a list of projects is accepted unread. PyPI's own has some 60 MB."""

NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class IndexIdentity:
    """The absence of a credential: an index limits an address, so its host is the identity."""

    identity: str

    async def header(self) -> str | None:
        """Return ``None``: a mirror's password is part of its address."""
        return None


class PyPI(Upstream):
    """A package index, by the settings' root."""

    name = PYPI
    title = "PyPI"
    sources = (Source.INDEX,)
    quota = POLICY
    routes = tuple(Route)

    def __init__(self, settings: Settings) -> None:
        root = urlsplit(settings.pypi_url)
        self._root = settings.pypi_url
        self._threshold = settings.serial_threshold
        self.hosts = frozenset(filter(None, [root.hostname]))
        self.roots = (settings.pypi_url,)
        self._identity = IndexIdentity(f"index:{root.netloc.rpartition('@')[2]}")

    @classmethod
    def configured(cls, settings: Settings) -> tuple[Self, ...]:
        """Return the one index of the settings."""
        return (cls(settings),)

    @property
    def credential(self) -> IndexIdentity:
        """The identity of the index's host; there is no credential."""
        return self._identity

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The one lane."""
        return (PROJECTS_LANE,)

    def parse_project(self, text: str | None) -> str | Unsupported | None:
        """Parse a project's name, or its address on PyPI or on the configured index."""
        return parse_project(text, self.hosts)

    def costs(self, target: Target, now: datetime, cadence: Cadence) -> list[Cost]:
        """Return the cost of the project."""
        if target.project is None or Source.INDEX not in target.claimed:
            return []
        if is_status_due(target.state(Source.INDEX), now, cadence):
            return [Cost((Source.INDEX,), 2, "the JSON API, and the Simple API for the project's status")]
        return [Cost((Source.INDEX,), 1, "one conditional request to the JSON API")]

    async def check(self, transport: Transport, now: datetime) -> Checked:
        """Request one project in both forms, and the list of all projects if neither form has it."""
        simple = await transport.send(simple_request(self._root, _PROBED))
        if not isinstance(simple, NoAnswer) and simple.status == NOT_FOUND:
            documents = await transport.send(json_request(self._root, _PROBED))
            if isinstance(documents, NoAnswer) or documents.status == NOT_FOUND:
                projects = await transport.send(replace(root_request(self._root), max_bytes=_PROBED_BYTES))
                return Checked((self._list_finding(projects),), simple)
        return Checked((self._finding(simple),), simple)

    def feed(self, checkpoint: Callable[[str], Checkpoint | None]) -> FeedStatus | None:
        """Return the state of the feed of new releases."""
        return feed_status(checkpoint)

    def notes(self, checkpoint: Callable[[str], Checkpoint | None], now: datetime) -> list[Finding]:
        """Return a finding about the feed, once it was polled."""
        status = feed_status(checkpoint)
        return [] if status is None else [_feed_finding(status, now)]

    def connect(self, tools: Tools) -> UpstreamRefresh:
        """Return the refresh of projects."""
        return PyPIRefresh.connected(tools, self._root, self._threshold)

    def _finding(self, answer: Answer) -> Finding:
        remedy = "Check FETCHER_PYPI_URL and the network"
        if isinstance(answer, NoAnswer):
            return Finding(PYPI, False, answer.reason, remedy)
        if answer.status >= 500 or answer.status in (401, 403):
            return Finding(PYPI, False, f"{self._address} returned {answer.status}", remedy)
        return Finding(PYPI, True, f"{self._address} responds")

    def _list_finding(self, answer: Answer) -> Finding:
        """Judge the list of projects. A wrong root has no such list, a private index has one without ``pip``."""
        if isinstance(answer, NoAnswer) and answer.fault is Fault.TOO_LARGE:
            return Finding(PYPI, True, f"{self._address} responds")
        if not isinstance(answer, NoAnswer) and answer.status == NOT_FOUND:
            message = f"{self._address} is no index: neither /pypi/NAME/json nor /simple/ is below it"
            return Finding(PYPI, False, message, "Set FETCHER_PYPI_URL to the address before /simple/")
        return self._finding(answer)

    @property
    def _address(self) -> str:
        """The root without a mirror's password."""
        where = urlsplit(self._root)
        return where._replace(netloc=where.netloc.rpartition("@")[2]).geturl()


@dataclass(slots=True)
class PyPIRefresh(UpstreamRefresh):
    """A refresh of claimed projects, and the check of the index's root."""

    projects: ProjectsRefresh
    serials: SerialsCheck
    feed: FeedCheck

    @classmethod
    def connected(cls, tools: Tools, root: str, threshold: int) -> Self:
        """Assemble the live part from the adapters."""
        gateway, clock, cadence = tools.gateway, tools.clock, tools.cadence
        return cls(
            ProjectsRefresh(gateway, clock, root, cadence, asyncio.Semaphore(CONCURRENCY)),
            SerialsCheck(
                tools.store.index_serials,
                tools.store.claims,
                tools.store.checkpoints,
                gateway,
                clock,
                root,
                cadence,
                threshold,
            ),
            FeedCheck(
                tools.store.index_serials,
                tools.store.claims,
                tools.store.checkpoints,
                gateway,
                clock,
                root,
                cadence,
                threshold,
            ),
        )

    async def refresh(self, targets: Sequence[Target], purpose: Purpose) -> list[Record]:
        """Return records of the index source of ``targets``."""
        wanted = [t for t in targets if Source.INDEX in t.claimed and t.project is not None]
        return await self.projects.refresh(wanted, purpose)

    async def find_changes(self) -> None:
        """Compare the index's root with the stored serials, in a large catalogue and once a cycle."""
        await self.serials.check()

    async def read_feed(self) -> bool:
        """Poll the feed of new releases, if it is due; returns whether it named a project of the catalogue."""
        await self.feed.check()
        return self.feed.made_due > 0


def _feed_finding(status: FeedStatus, now: datetime) -> Finding:
    remedy = "Check the network. Until the feed responds, releases are found by the daily requests"
    return Finding("pypi feed", status.fault is None or not status.offered, status.in_words(now), remedy)
