"""Webhooks without I/O: signatures, retries, bodies and addresses."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from fetcher.domain.changes import Change, Cursor, EventType, FeedKind
from fetcher.domain.webhooks import (
    DELAYS,
    JITTER,
    LONGEST_HOLD,
    TOLERANCE,
    Attempt,
    Delivery,
    DeliveryState,
    Endpoint,
    body_of,
    judge,
    new_secret,
    read_retry_after,
    signature_headers,
)
from fetcher.webhooks.addresses import hosts_of, unfit_url
from tests.harness.clock import DAY, HOUR, MINUTE, NOW, SECOND

SECRET, FORMER = new_secret(bytes(range(32))), new_secret(bytes(range(1, 33)))
ENDPOINT = Endpoint("e1", "https://directory.example/hooks/k3y", (), SECRET, FORMER, NOW + TOLERANCE, 0, NOW)
DELIVERY = Delivery("msg_1", "e1", "package.updated", "a", "{}", NOW, NOW)
RNG = Random(1)  # noqa: S311  (a test's choices)


def test_the_oracle_accepts_the_signature() -> None:
    """The reference library verifies a message with the current secret, and refuses a changed body."""
    body = json.dumps({"type": "package.updated", "data": {"title": "Ünïcode ✓"}}).encode()
    headers = signature_headers("msg_1", body, [SECRET], datetime.now(UTC))
    assert Webhook(SECRET).verify(body, headers)["type"] == "package.updated"
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body.replace(b"updated", b"removed"), headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(FORMER).verify(body, headers)


def test_a_rotation_signs_twice() -> None:
    """For a day after a rotation, messages have a signature of each secret, separated by a space."""
    assert ENDPOINT.secrets(NOW) == (SECRET, FORMER)
    assert ENDPOINT.secrets(NOW + TOLERANCE) == (SECRET,)
    both = signature_headers("msg_1", b"{}", ENDPOINT.secrets(NOW), NOW)["webhook-signature"].split(" ")
    alone = [signature_headers("msg_1", b"{}", [one], NOW)["webhook-signature"] for one in (SECRET, FORMER)]
    assert both == alone
    assert all(one.startswith("v1,") for one in both)


def test_secrets_are_not_shown() -> None:
    """The representation of an endpoint, which may reach a log, has no secret."""
    assert SECRET not in repr(ENDPOINT)
    assert FORMER not in repr(ENDPOINT)
    assert SECRET.startswith("whsec_")


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_success(status: int) -> None:
    """Only a status from 200 to 299 ends a delivery."""
    assert judge(DELIVERY, Attempt(status), NOW, RNG).state is DeliveryState.DELIVERED


@pytest.mark.parametrize("status", [None, 100, 301, 302, 400, 404, 500, 503])
def test_a_failed_attempt_is_repeated(status: int | None) -> None:
    """Any other result is repeated after the schedule's delay with some jitter, redirects included."""
    for attempts, delay in enumerate(DELAYS):
        verdict = judge(replace(DELIVERY, attempts=attempts), Attempt(status), NOW, RNG)
        assert verdict.state is DeliveryState.PENDING
        assert verdict.due_at is not None
        held = timedelta(minutes=1) if status == 503 else timedelta(0)
        assert max(delay, held) <= verdict.due_at - NOW <= max(delay * (1 + JITTER), held)
        assert verdict.disabled is None


def test_the_schedule_lasts_75_hours() -> None:
    """After ten attempts over 75 hours the delivery fails and the endpoint is disabled, with the reason."""
    assert sum(DELAYS, timedelta(0)) // HOUR == 75
    verdict = judge(replace(DELIVERY, attempts=len(DELAYS)), Attempt(500), NOW, RNG)
    assert (verdict.state, verdict.disabled) == (DeliveryState.FAILED, "10 attempts of one message have failed")


def test_gone_disables() -> None:
    """Status 410 ends the subscription at once."""
    verdict = judge(DELIVERY, Attempt(410), NOW, RNG)
    assert (verdict.state, verdict.disabled) == (DeliveryState.FAILED, "the receiver returned 410 Gone")


@pytest.mark.parametrize(("status", "retry_after", "held"), [
    (429, None, MINUTE),
    (502, None, MINUTE),
    (504, 10 * MINUTE, 10 * MINUTE),
    (429, 5 * DAY, LONGEST_HOLD),
    (400, HOUR, HOUR),
    (400, None, None),
])  # fmt: skip
def test_an_overloaded_receiver_gets_a_pause(
    status: int, retry_after: timedelta | None, held: timedelta | None
) -> None:
    """Overload pauses the whole endpoint for the requested time, bounded, or for a minute."""
    verdict = judge(DELIVERY, Attempt(status, retry_after=retry_after), NOW, RNG)
    assert verdict.held_until == (None if held is None else NOW + held)
    assert verdict.due_at is not None
    assert verdict.held_until is None or verdict.due_at >= verdict.held_until


@pytest.mark.parametrize(("value", "expected"), [
    ("120", 120 * SECOND),
    ("Wed, 18 Mar 2026 12:01:00 GMT", MINUTE),
    ("Wed, 18 Mar 2026 11:00:00 GMT", timedelta(0)),
    ("9" * 400, LONGEST_HOLD),
    ("-1", None),
    ("soon", None),
    ("", None),
    (None, None),
])  # fmt: skip
def test_retry_after(value: str | None, expected: timedelta | None) -> None:
    """Seconds and dates are read; anything else counts as absent."""
    assert read_retry_after(value, NOW) == expected


def test_a_body_is_thin() -> None:
    """A body has type, timestamp and data, and stays below the specification's 20 KB with any number of fields."""
    fields = tuple(f"unknown key {n} {'x' * 90}" for n in range(500))
    change = Change(7, "a", "A", 12, NOW, FeedKind.UPDATED, fields, (EventType.UPDATED,), "1.2")
    body = body_of(EventType.UPDATED, change, Cursor("abc", 12))
    assert len(body.encode()) < 20_000
    release = json.loads(body_of(EventType.RELEASE, change, Cursor("abc", 12)))
    assert (release["type"], release["timestamp"]) == ("release.published", NOW.isoformat())
    assert (release["data"]["slug"], release["data"]["version"], release["data"]["cursor"]) == ("a", "1.2", "abc-12")


@pytest.mark.parametrize(("url", "reason"), [
    ("http://directory.example/", "https://"),
    ("ftp://directory.org/", "not an https URL"),
    ("https://user:password@directory.org/", "user name or a password"),
    ("https://127.0.0.1/", "IP address"),
    ("https://[::1]/", "IP address"),
    ("https://2130706433/", "IP address"),
    ("https://169.254.169.254/latest", "IP address"),
    ("https://localhost/", "without a dot"),
    ("https://hooks.internal/", "private or reserved"),
    ("https://directory.org/a b", "not an https URL"),
    ("https://directory.org:x/", "not a URL"),
    ("https://[::1", "not a URL"),
    ("hooks", "not an https URL"),
])  # fmt: skip
def test_refused_addresses(url: str, reason: str) -> None:
    """Private, unencrypted and malformed addresses are refused in words."""
    found = unfit_url(url, frozenset())
    assert found is not None
    assert reason in found


def test_hosts_that_may_be_private() -> None:
    """The hosts of the setting are exempt, also without TLS, and no other one is."""
    hosts = hosts_of(" Hooks.internal, 127.0.0.1 ,")
    assert unfit_url("http://127.0.0.1:8000/hook", hosts) is None
    assert unfit_url("http://hooks.internal/", hosts) is None
    assert unfit_url("https://directory.org/hooks?key=1", frozenset()) is None
    assert unfit_url("http://127.0.0.2/", hosts) is not None
