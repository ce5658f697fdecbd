"""Answers that need not be sent again: entity tags, and dates where they are to be trusted."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, time, timedelta
from email.utils import format_datetime, parsedate_to_datetime

from starlette.requests import Request
from starlette.responses import Response

SETTLED = timedelta(seconds=180)
"""An answer is stored at most this long after its question was sent, for a task is ended after 150 seconds. A date is
told only once everything before it is stored: until then the entity tag alone says what is new."""


def last_modified(touched: datetime | None, now: datetime) -> datetime | None:
    """Since when nothing has changed, or ``None`` while that cannot be said.

    The 52 weeks roll on at midnight UTC, so each day every document is new.
    """
    midnight = datetime.combine(now.date(), time(), UTC)
    settled = max(midnight, touched or midnight).replace(microsecond=0) + SETTLED
    return settled if settled <= now else None


def conditional(request: Request, body: bytes, modified: datetime | None) -> Response:
    """The JSON ``body``, or a 304 for who has it. A tag counts before a date (RFC 9110, section 13.2.2)."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if modified is not None:
        headers["Last-Modified"] = format_datetime(modified, usegmt=True)
    if _has_it(request, tag, modified):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def _has_it(request: Request, tag: str, modified: datetime | None) -> bool:
    tags = request.headers.get("if-none-match")
    if tags is not None:
        return tags.strip() == "*" or tag in re.findall(r'(?:W/)?("[^"]*")', tags)
    since = request.headers.get("if-modified-since")
    if since is None or modified is None:
        return False
    try:
        moment = parsedate_to_datetime(since)
    except (TypeError, ValueError):
        return False
    return modified <= (moment if moment.tzinfo else moment.replace(tzinfo=UTC))
