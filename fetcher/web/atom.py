"""Atom feeds for people (RFC 4287): the last changes of the catalogue, and the timeline of one package."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from starlette.requests import Request
from starlette.responses import Response

from fetcher.domain.changes import FeedKind, change_in_detail, change_in_words
from fetcher.web.conditional import Conditions, conditional
from fetcher.web.context import context_of
from fetcher.web.queries import find, refuse_unknown

MEDIA_TYPE = "application/atom+xml"
ENTRIES = 50
"""Most entries of a feed."""

_NAMESPACE = "http://www.w3.org/2005/Atom"
_AUTHORITY = "fetcher.invalid,2026"
"""Authority of the tag URIs. They are unique by the database's own random part, and must never change."""

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot contain, not even escaped."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a feed."""

    id: str
    title: str
    updated: datetime
    link: str
    summary: str


def catalogue_feed(request: Request) -> Response:
    """Respond with the packages that changed last."""
    refuse_unknown(request.query_params)
    web = context_of(request)
    web.store.changes.renew(web.clock.now())
    feed, changes = web.store.changes.extent(), web.store.changes.latest(ENTRIES)
    home = str(request.url_for("overview"))
    entries = [
        Entry(
            f"tag:{_AUTHORITY}:{feed.epoch}/package/{one.package_id}/{one.position}",
            f"{one.title or one.slug}: {change_in_words(one)}",
            one.at,
            home if one.kind is FeedKind.REMOVED else str(request.url_for("package", slug=one.slug)),
            change_in_detail(one),
        )
        for one in changes
    ]
    return _respond(request, f"tag:{_AUTHORITY}:{feed.epoch}/changes", "Changed packages", home, entries)


def package_feed(request: Request) -> Response:
    """Respond with the latest events of one package."""
    refuse_unknown(request.query_params)
    web = context_of(request)
    found = find(web.store.packages, request.path_params["slug"])
    feed, package_id, entry = web.store.changes.extent(), found.entry.id or 0, found.entry
    page = str(request.url_for("package", slug=entry.slug))
    own = f"tag:{_AUTHORITY}:{feed.epoch}/package/{package_id}/timeline"
    entries = [
        Entry(
            f"{own}/{one.source}/{one.at.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}",
            f"{entry.title}: {one.source} {one.outcome}",
            one.at,
            page,
            one.message or one.outcome,
        )
        for one in web.store.events.of_package(package_id, ENTRIES)
    ]
    return _respond(request, own, f"{entry.title}: timeline", page, entries)


def _respond(request: Request, feed_id: str, title: str, page: str, entries: Iterable[Entry]) -> Response:
    """Respond with the feed, or with status 304 if the client's copy is current."""
    conditions = Conditions(if_none_match=request.headers.get("if-none-match"))
    body = document(feed_id, title, str(request.url.replace(query="", fragment="")), page, list(entries))
    return conditional(conditions, body, None, f"{MEDIA_TYPE}; charset=utf-8")


def document(feed_id: str, title: str, own: str, page: str, entries: list[Entry]) -> bytes:
    """Return a feed as XML. ``own`` is its address, ``page`` the page that it belongs to."""
    feed = Element("feed", xmlns=_NAMESPACE)
    _add(feed, "id", feed_id)
    _add(feed, "title", title)
    _add(feed, "updated", _moment(max((one.updated for one in entries), default=datetime.fromtimestamp(0, UTC))))
    _add(SubElement(feed, "author"), "name", "Fetcher")
    SubElement(feed, "link", rel="self", type=MEDIA_TYPE, href=own)
    SubElement(feed, "link", rel="alternate", type="text/html", href=page)
    for one in entries:
        entry = SubElement(feed, "entry")
        _add(entry, "id", one.id)
        _add(entry, "title", one.title)
        _add(entry, "updated", _moment(one.updated))
        SubElement(entry, "link", rel="alternate", type="text/html", href=one.link)
        _add(entry, "summary", one.summary)
    xml: Any = tostring(feed, encoding="utf-8", xml_declaration=True)
    return bytes(xml)


def _add(parent: Element, name: str, text: str) -> None:
    SubElement(parent, name).text = _NOT_XML.sub("\ufffd", text)


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
