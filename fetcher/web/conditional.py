"""Conditional requests: entity tags and modification dates (RFC 9110, section 13)."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, time, timedelta
from email.utils import format_datetime, parsedate_to_datetime

from pydantic import BaseModel
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

SETTLED = timedelta(seconds=180)
"""Longest time from sending an upstream request to storing its response; tasks end after 150 seconds. A
``Last-Modified`` date within this time could precede a later write, so only the entity tag is sent."""


class Conditions(BaseModel):
    """Request headers that make a response conditional."""

    if_none_match: str | SkipJsonSchema[None] = None
    if_modified_since: str | SkipJsonSchema[None] = None


def last_modified(touched: datetime | None, now: datetime) -> datetime | None:
    """Return the modification date of a document last written at ``touched``, or ``None`` while it may still change.

    The 52 weeks move on at midnight UTC, so every document changes daily.
    """
    midnight = datetime.combine(now.date(), time(), UTC)
    settled = max(midnight, touched or midnight).replace(microsecond=0) + SETTLED
    return settled if settled <= now else None


def conditional(
    conditions: Conditions, body: bytes, modified: datetime | None, media_type: str = "application/json"
) -> Response:
    """Return ``body``, or status 304 if the client's copy is current. A tag takes precedence over a date."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if modified is not None:
        headers["Last-Modified"] = format_datetime(modified, usegmt=True)
    if _is_current(conditions, tag, modified):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)


def matches(tags: str | None, tag: str) -> bool:
    """Return whether ``If-None-Match`` names ``tag``. The comparison is weak (RFC 9110, section 8.8.3.2)."""
    if tags is None:
        return False
    return tags.strip() == "*" or tag.removeprefix("W/") in re.findall(r'(?:W/)?("[^"]*")', tags)


def _is_current(conditions: Conditions, tag: str, modified: datetime | None) -> bool:
    tags, since = conditions.if_none_match, conditions.if_modified_since
    if tags is not None:
        return matches(tags, tag)
    if since is None or modified is None:
        return False
    try:
        moment = parsedate_to_datetime(since)
    except (TypeError, ValueError):
        return False
    return modified <= (moment if moment.tzinfo else moment.replace(tzinfo=UTC))
