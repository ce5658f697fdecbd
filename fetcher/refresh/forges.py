"""Detection of the catalogue's hosts: which are due, by how many processes, and the kinds that were found."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

import structlog

from fetcher.domain.forges import FIRST_PAUSE, StoredForge, detected, not_detected
from fetcher.domain.model import Purpose
from fetcher.http.gateway import Gateway
from fetcher.ports import Clock
from fetcher.upstreams.hosted.detection import Detected, detect
from fetcher.upstreams.hosted.hosts import Hosts

log = structlog.get_logger(__name__)

MOST_AT_ONCE: Final = 8
"""Most hosts that one task detects, all at the same time. The following tasks detect the others."""


class StoredForges(Protocol):
    """The stored hosts: ``fetcher.store.forges.Forges``."""

    def claim(self, hosts: Collection[str], now: datetime, until: datetime) -> list[StoredForge]: ...

    def save(self, forge: StoredForge) -> None: ...


@dataclass(frozen=True, slots=True)
class ForgeDetection:
    """A detection of hosts through the gateway, so that it spends their quota."""

    forges: StoredForges
    gateway: Gateway
    clock: Clock

    async def run(self, hosts: Hosts, purpose: Purpose) -> Sequence[str]:
        """Detect the hosts that are due, and return those whose kind has changed.

        A host is reserved for an hour before it is requested: one process detects it, and a killed one delays it.
        """
        now = self.clock.now()
        due = hosts.to_detect(now)[:MOST_AT_ONCE]
        claimed = self.forges.claim(due, now, now + FIRST_PAUSE) if due else []
        changed = await asyncio.gather(*(self._detect(hosts, forge, purpose) for forge in claimed))
        return [forge.host for forge, is_new in zip(claimed, changed, strict=True) if is_new]

    async def _detect(self, hosts: Hosts, forge: StoredForge, purpose: Purpose) -> bool:
        found = await detect(hosts.forge(forge.host), self.gateway, purpose)
        now = self.clock.now()
        if isinstance(found, Detected):
            result = detected(forge, found.kind, found.sign, now)
        else:
            result = not_detected(forge, found.reason, now)
        self.forges.save(result)
        log.info("forge", host=forge.host, kind=result.kind, message=result.message)
        return result.kind is not forge.kind
