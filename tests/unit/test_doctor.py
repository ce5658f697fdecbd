"""The findings of ``fetcher doctor`` about GitHub's address and an announced end of its API version."""

from __future__ import annotations

import pytest

from fetcher.http.messages import Answer, Fault, NoAnswer, Response
from fetcher.upstreams.base import Finding
from fetcher.upstreams.github.requests import API_VERSION
from fetcher.upstreams.github.upstream import announced_end, token_finding
from tests.harness.clock import NOW
from tests.unit.github.recorded import refusal, response

DEPRECATED = "Tue, 10 Mar 2026 00:00:00 GMT"
VERSION = f"version {API_VERSION} of GitHub's REST API"


@pytest.mark.parametrize("answer", [response({}), Response(200, {}, b"{}"), NoAnswer(Fault.TIMED_OUT, "late")])
def test_no_end_is_announced(answer: Answer) -> None:
    """Report nothing where GitHub announces nothing or does not answer."""
    assert announced_end(answer, NOW) == []


@pytest.mark.parametrize("status", [200, 403])
def test_an_end_to_come(status: int) -> None:
    """Report the date and the days left, as a finding that is in order."""
    answer = response({}, status, {"deprecation": DEPRECATED, "sunset": "Fri, 10 Mar 2028 00:00:00 GMT"})
    (finding,) = announced_end(answer, NOW)
    assert finding == Finding(
        "api", True, f"{VERSION} is served until 2028-03-10, another 722 d; install a newer Fetcher before"
    )


@pytest.mark.parametrize("sunset", ["@1773835200", "Wed, 18 Mar 2026 12:00:00 GMT", "2026-03-17"])
def test_an_end_that_has_passed(sunset: str) -> None:
    """Fail from the announced moment on, with the remedy."""
    (finding,) = announced_end(response({}, headers={"sunset": sunset}), NOW)
    assert not finding.ok
    assert finding.message.startswith(f"{VERSION} was announced to end on 2026-03-1")
    assert finding.remedy == "Install a newer Fetcher"


@pytest.mark.parametrize("headers", [{"deprecation": "true"}, {"deprecation": DEPRECATED, "sunset": "soon"}])
def test_an_end_without_a_date(headers: dict[str, str]) -> None:
    """Report the deprecation alone: no date has passed."""
    (finding,) = announced_end(response({}, headers=headers), NOW)
    assert finding == Finding("api", True, f"{VERSION} is deprecated; GitHub names no date for its end")


def test_a_retired_version() -> None:
    """Name the remedy of a 410, which is not the network."""
    finding = token_finding(refusal(410, "Gone"), anonymous=False)
    assert (finding.name, finding.ok, finding.remedy) == ("github", False, "Install a newer Fetcher")
    assert API_VERSION in finding.message


def test_an_address_that_is_not_the_root() -> None:
    """A 404 for the rate limits is no missing repository: the address in the setting is wrong."""
    finding = token_finding(refusal(404, "Not Found"), anonymous=False)
    assert (finding.name, finding.ok) == ("github", False)
    assert finding.message == "FETCHER_GITHUB_API_URL is not the root of GitHub's REST API: it returned 404"
    assert "https://HOST/api/v3" in finding.remedy


def test_an_enterprise_server_without_limits() -> None:
    """Its 404 for the rate limits does not blame the address."""
    assert "not the root" not in token_finding(refusal(404, "Rate limiting is not enabled."), anonymous=False).message
