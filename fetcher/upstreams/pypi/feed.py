"""Reader of the index's feed of new releases, and the decisions that follow from it. Source: RSS 2.0.

The feed lists the newest releases of the full index, a hundred of PyPI's. Two polls whose windows overlap therefore
miss no release. The body is untrusted XML: a document type is refused, and with it every entity.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from packaging.utils import canonicalize_name, canonicalize_version

from fetcher.domain.model import FollowedProject
from fetcher.domain.moments import is_ahead
from fetcher.domain.outcome import Fetched, Gone, Malformed
from fetcher.domain.text import one_line
from fetcher.http.messages import Answer, Response
from fetcher.http.responses import quoted_excerpt, validators_of
from fetcher.upstreams.pypi.answers import IndexOutcome, NotOffered, good_response

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

SETTLING: Final = timedelta(minutes=10)
"""Time after a publication in which a response without the release counts as a stale edge's, and is requested again."""

_FEED = "feed of new releases"
_TITLE = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]{0,212}[A-Za-z0-9])?) (\S{1,200})")
"""Title of an item: the project's name (PEP 508) and the version."""

_FUTURE = timedelta(days=1)
"""Largest lead of a publication's time over this machine's clock."""


@dataclass(frozen=True, slots=True)
class FeedItem:
    """A new release. ``project`` is the canonical name."""

    title: str
    project: str
    version: str
    published_at: datetime


@dataclass(frozen=True, slots=True)
class Feed:
    """The newest releases of an index, newest first."""

    items: tuple[FeedItem, ...]

    @property
    def newest(self) -> FeedItem | None:
        return self.items[0] if self.items else None

    @property
    def reaches_back_to(self) -> datetime | None:
        """The publication of the oldest item. Older releases may be missing; ``None`` in an empty feed."""
        return self.items[-1].published_at if self.items else None


@dataclass(frozen=True, slots=True)
class Mark:
    """The newest item of the feed at an earlier poll."""

    title: str
    published_at: datetime


def read_feed(answer: Answer, *, url: str, now: datetime) -> IndexOutcome[Feed]:
    """Return the outcome of requesting the feed. An index without one returns ``NotOffered``."""
    from xml.etree.ElementTree import ParseError  # noqa: PLC0415  (a process without an index does without XML)

    from defusedxml import DefusedXmlException  # type: ignore[import-untyped]  # noqa: PLC0415
    from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped]  # noqa: PLC0415

    response = good_response(answer, url=url, now=now)
    if isinstance(response, Gone):
        return NotOffered(f"{_FEED}: the index has none")
    if not isinstance(response, Response):
        return response
    try:
        root = fromstring(response.body, forbid_dtd=True)
    except DefusedXmlException:
        return Malformed(f"{_FEED}: expected RSS, got XML with a document type, which is refused")
    except (ParseError, ValueError, LookupError) as error:
        reason = f"expected RSS, got a body that begins {quoted_excerpt(response.body)} ({error})"
        return Malformed(one_line(f"{_FEED}: {reason}"))
    channel = root.find("channel") if root.tag == "rss" else None
    if channel is None:
        return Malformed(one_line(f"{_FEED}: expected RSS with a channel, got a body with the root {root.tag!r}"))
    listed = channel.findall("item")
    items = [item for element in listed if (item := _item(element, now)) is not None]
    if listed and not items:
        return Malformed(f"{_FEED}: none of its {len(listed)} items has a name, a version and a date")
    items.sort(key=lambda item: item.published_at, reverse=True)
    return Fetched(Feed(tuple(items)), validators_of(response))


def has_gap(feed: Feed, last: Mark | None) -> bool:
    """Return whether releases may be missing between the poll with the newest item ``last`` and ``feed``.

    The feed is one window of the newest releases. It overlaps the earlier one if it has that item, or if it reaches
    back to its publication, because the item may have been deleted since.
    """
    if last is None:
        return False
    return not any(item.title == last.title or item.published_at <= last.published_at for item in feed.items)


def is_wanted(item: FeedItem, known: FollowedProject, now: datetime) -> bool:
    """Return whether a project is to be requested for ``item``: not requested since, or answered without the release.

    The second case is a stale edge of the index's cache, or a clock that is ahead. It ends after ``SETTLING``, because
    the release may have been deleted. If the index's clock is ahead, a release that has arrived is not requested again
    until its stated time. A request by a clock that was far ahead counts as none.
    """
    arrived = canonicalize_version(item.version) in map(canonicalize_version, known.versions)
    requested_at = None if is_ahead(known.observed_at, now) else known.observed_at
    if requested_at is None or requested_at < item.published_at:
        return not (arrived and item.published_at > now)
    return not arrived and requested_at < item.published_at + SETTLING


def _item(element: Element, now: datetime) -> FeedItem | None:
    """Return an item; ``None`` if its title or its date cannot be read."""
    found = _TITLE.fullmatch((element.findtext("title") or "").strip())
    published_at = _moment(element.findtext("pubDate") or "")
    if found is None or published_at is None or published_at > now + _FUTURE:
        return None
    return FeedItem(found[0], str(canonicalize_name(found[1])), found[2], published_at)


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
