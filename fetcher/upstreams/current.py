"""The upstreams of the settings and of the stored hosts, which imports and detections change while a process runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from fetcher.domain.forges import StoredForge
from fetcher.settings import Settings

if TYPE_CHECKING:
    from fetcher.upstreams.registry import Upstreams


class CurrentUpstreams:
    """The upstreams as last read, by ``read``. They are read when they are first needed.

    Only writing commands and refreshes need them: importing the registry takes a tenth of a second.
    """

    def __init__(self, settings: Settings, read: Callable[[], tuple[StoredForge, ...]]) -> None:
        self._settings = settings
        self._read = read
        self._stored: tuple[StoredForge, ...] = ()
        self._upstreams: Upstreams | None = None
        self.generation = 0
        """Number of sets of upstreams so far. It grows when a host is added or its kind changes."""

    def get(self) -> Upstreams:
        """Return the upstreams as last read."""
        return self._upstreams or self._build(self._read())

    def renew(self) -> None:
        """Read the stored hosts again."""
        stored = self._read()
        if self._upstreams is None or _kinds(stored) != _kinds(self._stored):
            self._build(stored)
        elif stored != self._stored:
            self._stored = stored
            self._upstreams = replace(self._upstreams, hosts=replace(self._upstreams.hosts, stored=stored))

    def _build(self, stored: tuple[StoredForge, ...]) -> Upstreams:
        from fetcher.upstreams.registry import upstreams_of  # noqa: PLC0415

        self._stored, self._upstreams = stored, upstreams_of(self._settings, stored)
        self.generation += 1
        return self._upstreams


def _kinds(stored: tuple[StoredForge, ...]) -> list[tuple[object, ...]]:
    return [(one.host, one.kind, one.known_by) for one in stored]
