"""The feed of the newest releases of all projects (RSS 2.0)."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from xml.sax.saxutils import escape

from packaging.utils import canonicalize_name

from fetcher.simulator.project import ProjectStatus
from fetcher.simulator.world import World

RSS = "text/xml; charset=UTF-8"
SHOWN = 100
"""Releases in the feed."""

_SUMMARY = "A package of another author, whose summary has about the usual length of one. " * 2


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One release in the feed."""

    at: datetime
    name: str
    version: str
    summary: str


class ReleaseFeed:
    """The newest releases: those of the world, and those of other authors, which only the feed knows."""

    def __init__(self, world: World, others_per_minute: float = 0.0) -> None:
        self._world = world
        self._every = timedelta(minutes=1) / others_per_minute if others_per_minute else None
        self._crowd: deque[Entry] = deque(maxlen=SHOWN)

    def crowd(self, releases: int = SHOWN) -> None:
        """Publish releases of other authors at once, which may push older ones out of the feed."""
        now = self._world.clock.now()
        self._crowd.extend(Entry(now, f"crowd-{number}", f"{now:%Y.%m.%d.%H%M%S}", "") for number in range(releases))

    def document(self, root: str, now: datetime) -> bytes:
        """Return the feed as XML, newest release first."""
        entries = heapq.nlargest(SHOWN, [*self._released(), *self._crowd, *self._others(now)])
        items = "\n".join(_item(root, entry) for entry in entries)
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0">\n<channel>\n'
            f"<title>PyPI recent updates</title>\n<link>{escape(root)}/</link>\n"
            "<description>Recent updates to the Python Package Index</description>\n<language>en</language>\n"
            f"{items}\n</channel>\n</rss>\n"
        ).encode()

    def _released(self) -> Iterator[Entry]:
        """Yield the world's recent releases that the index still lists."""
        for name, version, at in self._world.recent_releases:
            project = self._world.project(name)
            if project is None or project.status is ProjectStatus.QUARANTINED:
                continue
            if any(release.version == version for release in project.releases):
                yield Entry(at, project.name, version, project.summary)

    def _others(self, now: datetime) -> Iterator[Entry]:
        """Yield the newest releases of other authors, one at each multiple of their distance since 1970."""
        if self._every is None:
            return
        newest = int(now.timestamp() / self._every.total_seconds())
        for number in range(newest, newest - SHOWN, -1):
            at = datetime.fromtimestamp(number * self._every.total_seconds(), UTC)
            yield Entry(at, f"other-{number % 10_000}", f"{number // 10_000}.0", _SUMMARY)


def _item(root: str, entry: Entry) -> str:
    link = f"{root}/project/{canonicalize_name(entry.name)}/{entry.version}/"
    return (
        f"<item>\n<title>{escape(entry.name)} {escape(entry.version)}</title>\n<link>{escape(link)}</link>\n"
        f"<description>{escape(entry.summary)}</description>\n"
        f"<pubDate>{format_datetime(entry.at.replace(microsecond=0), usegmt=True)}</pubDate>\n</item>"
    )
