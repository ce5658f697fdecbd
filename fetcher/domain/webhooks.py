"""Outgoing webhooks after Standard Webhooks 1.0: endpoints, deliveries, signatures and retries. No I/O.

The specification: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from random import Random
from urllib.parse import urlsplit

from fetcher.domain.changes import Change, Cursor, EventType

PING = "webhook.test"
"""Type of the message of `fetcher webhooks test`."""

TOLERANCE = timedelta(hours=24)
"""Time for which the secret before a rotation signs as well."""

# fmt: off
DELAYS = tuple(timedelta(seconds=seconds) for seconds in (
    5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600,
))
# fmt: on
"""Delays after the first and each later failed attempt: ten attempts over 75 hours, as the specification suggests."""

JITTER = 0.1
"""Largest share by which a delay is longer, so that the messages of an outage do not all return at once."""

HOLD = timedelta(minutes=1)
"""Pause of an endpoint whose receiver is overloaded and does not state a time."""
LONGEST_HOLD = timedelta(hours=24)
"""Longest pause that a receiver can request."""

OVERLOADED = frozenset({429, 502, 503, 504})
GONE = 410
"""Status by which a receiver ends its subscription."""

_PREFIX = "whsec_"
_SECRET_BYTES = 32
_FIELDS = 100
"""Most names of fields in a message, which must stay below 20 KB."""


class DeliveryState(StrEnum):
    """State of a delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    """Every attempt has failed, or the endpoint was disabled."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A receiver of webhooks. Its secrets are not part of its representation."""

    id: str
    url: str
    events: tuple[EventType, ...]
    """Selected events; empty: all."""
    secret: str = field(repr=False)
    former_secret: str | None = field(repr=False)
    former_until: datetime | None
    position: int
    created_at: datetime
    failing_since: datetime | None = None
    held_until: datetime | None = None
    disabled_at: datetime | None = None
    disabled_reason: str | None = None

    @property
    def host(self) -> str:
        """The host of the address. Paths of receivers often contain a secret, so logs have the host only."""
        return urlsplit(self.url).hostname or ""

    def wants(self, event: EventType) -> bool:
        return not self.events or event in self.events

    def secrets(self, now: datetime) -> tuple[str, ...]:
        """Return the secrets that sign at ``now``: two for a time after a rotation."""
        if self.former_secret is not None and self.former_until is not None and now < self.former_until:
            return (self.secret, self.former_secret)
        return (self.secret,)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one endpoint."""

    id: str
    """The message's ``webhook-id``, the same at each attempt."""
    endpoint_id: str
    event: str
    package: str | None
    body: str
    created_at: datetime
    changed_at: datetime
    """Time of the change that it is about."""
    state: DeliveryState = DeliveryState.PENDING
    due_at: datetime | None = None
    attempts: int = 0
    attempted_at: datetime | None = None
    status: int | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """The result of one attempt. Without ``status`` no response arrived, and ``message`` has the reason."""

    status: int | None
    message: str = ""
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The consequences of an attempt, for the delivery and for its endpoint."""

    state: DeliveryState
    due_at: datetime | None = None
    held_until: datetime | None = None
    disabled: str | None = None
    """Reason for disabling the endpoint."""


def judge(delivery: Delivery, attempt: Attempt, now: datetime, rng: Random) -> Verdict:
    """Decide about a delivery after an attempt at ``now``. Only a status from 200 to 299 is a success."""
    if attempt.status is not None and 200 <= attempt.status < 300:
        return Verdict(DeliveryState.DELIVERED)
    if attempt.status == GONE:
        return Verdict(DeliveryState.FAILED, disabled="the receiver returned 410 Gone")
    if delivery.attempts >= len(DELAYS):
        made = delivery.attempts + 1
        return Verdict(DeliveryState.FAILED, disabled=f"{made} attempts of one message have failed")
    due_at = now + DELAYS[delivery.attempts] * (1 + rng.uniform(0, JITTER))
    held_until = None
    if attempt.status in OVERLOADED or attempt.retry_after is not None:
        held_until = now + min(attempt.retry_after or HOLD, LONGEST_HOLD)
    return Verdict(DeliveryState.PENDING, max(due_at, held_until or due_at), held_until)


def read_retry_after(value: str | None, now: datetime) -> timedelta | None:
    """Return the pause that ``Retry-After`` states, in seconds or as a date; ``None`` for any other value."""
    if not value:
        return None
    if value.isascii() and value.isdigit():
        return timedelta(seconds=min(int(value[:9]), LONGEST_HOLD.total_seconds()))
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    return max((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now, timedelta(0))


def new_secret(random: bytes) -> str:
    """Return a secret in the specification's form, from at least 24 random bytes."""
    return _PREFIX + base64.b64encode(random[:_SECRET_BYTES]).decode()


def signature_headers(message_id: str, body: bytes, secrets: Sequence[str], now: datetime) -> dict[str, str]:
    """Return the headers of an attempt at ``now``, with a signature of each secret."""
    seconds = str(int(now.timestamp()))
    signed = b".".join((message_id.encode(), seconds.encode(), body))
    signatures = [base64.b64encode(hmac.digest(_key(one), signed, hashlib.sha256)).decode() for one in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": seconds,
        "webhook-signature": " ".join(f"v1,{one}" for one in signatures),
    }


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        return secret.encode()


def body_of(event: EventType, change: Change, cursor: Cursor) -> str:
    """Return the body of a message: thin, because the package's document is one request away."""
    data: dict[str, object] = {
        "id": change.package_id,
        "slug": change.slug,
        "cursor": str(cursor),
        "fields": list(change.fields[:_FIELDS]) if event in (EventType.UPDATED, EventType.RELEASE) else [],
    }
    if event is EventType.RELEASE:
        data["version"] = change.version
    return message_body(event, change.at, data)


def message_body(event: str, at: datetime, data: dict[str, object]) -> str:
    """Return a message in the specification's form: type, timestamp and data."""
    message = {"type": str(event), "timestamp": at.astimezone(UTC).isoformat(), "data": data}
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))
