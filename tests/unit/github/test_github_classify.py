"""Classification of every status that GitHub documents or sends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import fetcher
from fetcher.domain.model import ReportedQuota, Validators
from fetcher.domain.outcome import (
    BlockCause,
    Blocked,
    Gone,
    Malformed,
    Moved,
    NotModified,
    NotReady,
    Throttled,
    Transient,
    Unauthorized,
)
from fetcher.http.messages import Fault, NoAnswer, Response
from fetcher.http.responses import excerpt, validators_of
from fetcher.upstreams.github.readers.classify import classify, message_of, read_quota
from fetcher.upstreams.github.requests import API_VERSION
from tests.unit.github.recorded import QUOTA, RESET, SECONDARY, SPENT, refusal, response


def test_a_good_response_passes_under_any_quota() -> None:
    """A 200 with any JSON media type is kept, even if the quota is exhausted."""
    for kind in ("application/json", "Application/JSON; charset=utf-8", "application/vnd.github+json"):
        good = response([], headers={**SPENT, "content-type": kind})
        assert classify(good) is good


@pytest.mark.parametrize("headers", [{"content-type": "text/html"}, {"content-type": ""}])
def test_a_page_instead_of_json_is_malformed(headers: dict[str, str]) -> None:
    """An HTML page with status 200 is reported with its beginning on one line."""
    page = response(b"<!DOCTYPE html>\n<title>Unicorn!</title>", headers=headers)
    outcome = classify(page)
    assert isinstance(outcome, Malformed)
    assert "<!DOCTYPE html> <title>Unicorn!</title>" in outcome.reason


def test_an_absurd_content_type_is_cut_to_a_line() -> None:
    """A long header is reported on one line."""
    outcome = classify(Response(200, {"content-type": "text/" + "x" * 5_000}, b""))
    assert outcome == Malformed(f"expected JSON, got text/{'x' * 114}…: ")


def test_no_content_type_is_malformed() -> None:
    """A response without a content type is not read."""
    assert classify(Response(200, {}, b"[]")) == Malformed("expected JSON, got no content type: []")


@pytest.mark.parametrize("status", [202, 204])
def test_still_computing(status: int) -> None:
    """Status 202, and 204 without a body, keep the stored values."""
    outcome = classify(response(b"", status))
    assert isinstance(outcome, NotReady)
    assert str(status) in outcome.reason


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_names_its_target(status: int) -> None:
    """A redirect with a location is ``Moved``; without, it is malformed."""
    assert classify(response(b"", status, {"location": "/repositories/7"})) == Moved("/repositories/7")
    assert classify(response(b"", status)) == Malformed(f"redirect {status} without a location")


def test_not_modified() -> None:
    """Status 304 confirms the stored values."""
    assert classify(response(b"", 304)) == NotModified()


def test_a_rejected_credential() -> None:
    """Status 401 rejects the credential, with GitHub's message."""
    outcome = classify(refusal(401, "Bad credentials"))
    assert outcome == Unauthorized("GitHub does not accept the credential: Bad credentials")


def test_gone() -> None:
    """Missing, private and deleted repositories have the same outcome."""
    assert isinstance(classify(refusal(404, "Not Found")), Gone)


def test_a_retired_api_version_is_no_deleted_repository() -> None:
    """A 410 reports the version and the remedy for any request, because Fetcher is outdated."""
    outcome = classify(refusal(410, "This version is no longer supported"))
    assert outcome == Malformed(
        f"GitHub has retired version {API_VERSION} of its REST API (status 410): install a newer Fetcher. "
        "GitHub's message: This version is no longer supported"
    )


def test_the_api_version_is_written_once() -> None:
    """The pinned version is in one file of the package, so that a change is one line."""
    package = Path(fetcher.__file__).parent
    holding = [path.relative_to(package) for path in package.rglob("*.py") if API_VERSION in path.read_text("utf-8")]
    assert holding == [Path("upstreams/github/requests.py")]
    assert (package / holding[0]).read_text("utf-8").count(API_VERSION) == 1


def test_a_legal_block() -> None:
    """Status 451 is a legal block at any remaining quota."""
    outcome = classify(refusal(451, "Repository access blocked", SPENT))
    assert outcome == Blocked(BlockCause.LEGAL, "blocked for legal reasons: Repository access blocked")


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599, 408, 409])
def test_faults_that_pass(status: int) -> None:
    """Every 5xx, a timeout and a conflict are temporary."""
    assert isinstance(classify(refusal(status, "Server Error")), Transient)


@pytest.mark.parametrize("status", [100, 201, 206, 400, 406, 418, 422])
def test_an_unexpected_status_is_malformed(status: int) -> None:
    """An undocumented status is malformed."""
    assert classify(refusal(status, "Eh?")) == Malformed(f"unexpected status {status}: Eh?")


@pytest.mark.parametrize("status", [403, 429])
@pytest.mark.parametrize(
    "message", [SECONDARY, "API rate limit exceeded for user ID 1.", "You have triggered an abuse detection mechanism."]
)
def test_throttling_in_words(status: int, message: str) -> None:
    """Both statuses are throttling if the message states it, even with quota left and without a pause."""
    outcome = classify(refusal(status, message))
    assert outcome == Throttled(f"GitHub answers {status}: {message}")


@pytest.mark.parametrize("status", [403, 429])
def test_retry_after_counts_first(status: int) -> None:
    """``retry-after`` has priority over the quota's reset."""
    outcome = classify(refusal(status, SECONDARY, {**SPENT, "retry-after": "30"}))
    assert isinstance(outcome, Throttled)
    assert (outcome.retry_after, outcome.reset_at) == (timedelta(seconds=30), None)


@pytest.mark.parametrize("status", [403, 429])
def test_a_spent_quota_waits_for_its_reset(status: int) -> None:
    """With nothing remaining, the reset ends the pause, with any message."""
    outcome = classify(refusal(status, "Forbidden", SPENT))
    assert isinstance(outcome, Throttled)
    assert (outcome.retry_after, outcome.reset_at) == (None, RESET)


def test_429_is_throttling_by_itself() -> None:
    """Status 429 without message or header is a limit, and Fetcher chooses the pause."""
    outcome = classify(Response(429, {}, b""))
    assert outcome == Throttled("GitHub answers 429: no message")


def test_403_with_retry_after_is_throttling() -> None:
    """A named pause applies even if the message mentions no limit."""
    outcome = classify(refusal(403, "Forbidden", {"retry-after": "7"}))
    assert isinstance(outcome, Throttled)
    assert outcome.retry_after == timedelta(seconds=7)


def test_a_503_with_retry_after_is_throttling() -> None:
    """GitHub's best practices: no request before the stated time. Without it, a 503 is a temporary fault."""
    outcome = classify(refusal(503, "Service unavailable", {"retry-after": "60"}))
    assert outcome == Throttled("GitHub answers 503: Service unavailable", retry_after=timedelta(seconds=60))
    assert isinstance(classify(refusal(503, "Service unavailable")), Transient)


@pytest.mark.parametrize("value", ["soon", "", "-1", "1.5", "²", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_a_pause_that_cannot_be_read_is_ours_to_choose(value: str) -> None:
    """Any value except integer ASCII seconds falls back to the quota's reset."""
    outcome = classify(refusal(429, SECONDARY, {**SPENT, "retry-after": value}))
    assert isinstance(outcome, Throttled)
    assert (outcome.retry_after, outcome.reset_at) == (None, RESET)


def test_an_absurd_pause_is_bounded() -> None:
    """Digits of any length give a duration that can be added to a date."""
    outcome = classify(refusal(429, SECONDARY, {"retry-after": "9" * 5_000}))
    assert isinstance(outcome, Throttled)
    assert outcome.retry_after is not None
    assert datetime(2026, 1, 1, tzinfo=UTC) + outcome.retry_after


@pytest.mark.parametrize(
    "message",
    [
        "The history or contributor list is too large to list contributors for this repository via the API.",
        "This diff is too large.",
    ],
)
def test_too_large_is_no_throttling(message: str) -> None:
    """GitHub refuses large lists with a bare 403, even while the quota is exhausted."""
    assert classify(refusal(403, message, SPENT)) == Blocked(BlockCause.TOO_LARGE, message)


@pytest.mark.parametrize(
    "message",
    [
        "Repository access blocked",
        "Resource not accessible by integration",
        "Resource protected by organization SAML enforcement.",
        "Sorry. Your account was suspended.",
        "although you appear to have the correct authorization credentials, the organization has an IP allow list",
    ],
)
def test_a_blocked_repository_is_no_throttling(message: str) -> None:
    """A refusal with a stated reason is ``Blocked``."""
    assert classify(refusal(403, message)) == Blocked(BlockCause.ACCESS, message)


def test_a_bare_403_is_no_throttling() -> None:
    """Without a sign of a limit, 403 is a refusal of access."""
    assert classify(refusal(403, "Forbidden")) == Blocked(BlockCause.ACCESS, "GitHub answers 403: Forbidden")
    assert classify(Response(403, {}, b"<html>")) == Blocked(BlockCause.ACCESS, "GitHub answers 403: <html>")


@pytest.mark.parametrize("fault", [Fault.UNREACHABLE, Fault.TIMED_OUT, Fault.BROKEN])
def test_no_answer_passes(fault: Fault) -> None:
    """A broken exchange is temporary."""
    assert classify(NoAnswer(fault, "why")) == Transient("why")


@pytest.mark.parametrize("fault", [Fault.TOO_LARGE, Fault.FORBIDDEN_HOST])
def test_an_answer_beyond_bounds_is_malformed(fault: Fault) -> None:
    """An oversized response and a foreign host are not temporary."""
    assert classify(NoAnswer(fault, "why")) == Malformed("why")


def test_an_app_that_is_refused_is_a_credential_that_is() -> None:
    """A rejected App pauses its identity, and is logged as one error instead of a warning per package."""
    assert classify(NoAnswer(Fault.NO_CREDENTIAL, "why")) == Unauthorized("why")


def test_quota_is_read_off_any_answer() -> None:
    """The quota is read from the headers of errors and of good responses."""
    expected = ReportedQuota("core", 5000, 4987, RESET)
    assert read_quota(response([])) == expected
    assert read_quota(refusal(502, "Server Error")) == expected


@pytest.mark.parametrize("missing", ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"])
@pytest.mark.parametrize("value", [None, "", "many", "9" * 30, "9" * 5_000])
def test_a_quota_that_cannot_be_read_is_none(missing: str, value: str | None) -> None:
    """A missing or invalid header gives no quota and raises nothing."""
    headers = {name: text for name, text in QUOTA.items() if name != missing}
    if value is not None:
        headers[missing] = value
    quota = read_quota(Response(200, headers, b""))
    assert quota is None or (value == "9" * 30 and missing != "x-ratelimit-reset")


def test_validators_that_can_be_sent_back() -> None:
    """Validators are printable ASCII only, because others would break the next request."""
    headers = {"etag": 'W/"abc"', "last-modified": "Sat, 21 Nov 2026 12:00:00 GMT"}
    assert validators_of(Response(200, headers, b"")) == Validators('W/"abc"', "Sat, 21 Nov 2026 12:00:00 GMT")
    assert validators_of(Response(200, {"etag": '"é"', "last-modified": "a\nb"}, b"")) == Validators()
    assert validators_of(Response(200, {"etag": "x" * 513}, b"")) == Validators()


def test_messages_are_cut_to_a_printable_line() -> None:
    """GitHub's message is one line without control characters, even from a broken body."""
    assert message_of(refusal(500, "a\nb\x1b[31mc")) == "a b [31mc"
    assert message_of(refusal(500, "x" * 500)) == "x" * 119 + "…"
    assert message_of(Response(500, {}, b"\xff\x00oops")) == "\ufffd oops"
    assert excerpt(b"") == ""
