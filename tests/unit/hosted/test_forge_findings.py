"""Findings of ``fetcher doctor`` about hosts of repositories."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fetcher.domain.forges import ForgeKind, KnownBy, StoredForge, not_detected
from fetcher.domain.model import ReportedQuota
from fetcher.forge_settings import ForgeSetting
from fetcher.http.messages import NO_META, Answer, Fault, NoAnswer, Response, ResponseMeta
from fetcher.upstreams.base import Finding
from fetcher.upstreams.bitbucket.kind import BITBUCKET
from fetcher.upstreams.forgejo.kind import FORGEJO
from fetcher.upstreams.gitlab.kind import GITLAB
from fetcher.upstreams.hosted.findings import contact_finding, detection_finding, host_finding
from fetcher.upstreams.hosted.hosts import Hosts
from fetcher.upstreams.hosted.kinds import HostedKind, by_status
from fetcher.upstreams.hosted.policies import policy_of
from tests.harness.clock import NOW

GOOD = Response(200, {}, b"{}")
DOWN = NoAnswer(Fault.UNREACHABLE, "git.example.org: cannot connect")


def finding(host: str, answer: Answer = GOOD, meta: ResponseMeta = NO_META, **setting: object) -> Finding:
    settings = {host: ForgeSetting.model_validate(setting)} if setting else {}
    forge = Hosts(settings).forge(host)
    return host_finding(forge, "Forgejo", policy_of(forge), answer, by_status(answer, forge.host), meta)


def test_a_host_that_responds() -> None:
    """Its kind, the origin of that knowledge, the token and the pace."""
    assert finding("codeberg.org") == Finding(
        "codeberg", True, "Forgejo, well known; responds, no token, at most 1,000 requests in any 30 min"
    )
    assert finding("git.example.org").message == (
        "Forgejo, not detected yet: git alone is read; responds, no token, at most 1 background requests a second"
    )
    assert "at most 60 requests in any 60 min" in finding("bitbucket.org").message
    assert finding("a.org", token="t", kind="git", per_second=3).message == (
        "Forgejo, stated by FETCHER_FORGES; responds, token valid, at most 3 background requests a second"
    )


def test_the_quota_that_a_response_reports() -> None:
    meta = ResponseMeta(ReportedQuota("api", 2000, 1999, NOW))
    assert finding("gitlab.com", meta=meta).message.endswith("1,999 of 2,000 requests left")


@pytest.mark.parametrize(
    ("answer", "message", "remedy"),
    [
        (DOWN, "git.example.org: cannot connect", "Check the network, and the root of a.org in FETCHER_FORGES"),
        (Response(503, {}, b""), "a.org returned status 503", "Check the network"),
        (Response(401, {}, b""), "the token was rejected", "Set a valid token for a.org in FETCHER_FORGES"),
    ],
)
def test_a_host_of_the_settings_that_fails(answer: Answer, message: str, remedy: str) -> None:
    found = finding("a.org", answer, token="t")
    assert not found.ok
    assert message in found.message
    assert found.remedy.startswith(remedy)


@pytest.mark.parametrize("answer", [DOWN, Response(503, {}, b""), Response(401, {}, b"")])
def test_a_host_that_editors_have_named(answer: Answer) -> None:
    """The operator cannot fix another's host: its failure is reported, and the check stays in order."""
    found = finding("git.example.org", answer)
    assert found.ok
    assert found.message.endswith("Its packages wait, others do not")


JSON = {"content-type": "application/json"}
SIGN_IN = Response(403, JSON, b'{"message": "Only signed in user is allowed to call APIs."}')
OTHERS_403 = Response(403, {"content-type": "text/html"}, b"<html>Forbidden</html>")
LOGIN_PAGE = Response(200, {"content-type": "text/html"}, b"<html>Log in</html>")
NO_API = Response(404, {"content-type": "text/html"}, b"<html>Not Found</html>")
CHECK, TOKEN = "Check the kind, the root and the token of a.org", "Set a valid token for a.org in FETCHER_FORGES"


@pytest.mark.parametrize("kind", [BITBUCKET, FORGEJO, GITLAB], ids=lambda kind: kind.title)
@pytest.mark.parametrize(
    ("answer", "remedy"),
    [(LOGIN_PAGE, CHECK), (NO_API, CHECK), (OTHERS_403, "Check the network"), (Response(401, JSON, b"{}"), TOKEN)],
    ids=["login page", "no API", "a proxy's 403", "401"],
)
def test_an_api_that_is_not_served(kind: HostedKind, answer: Answer, remedy: str) -> None:
    """A page in place of the API, and a refusal of everything, are no response of the host's kind."""
    found = of_kind(kind, answer)
    assert (found.ok, found.remedy.startswith(remedy)) == (False, True), found


def test_an_instance_that_requires_a_login() -> None:
    """Forgejo refuses everything with 403; the same status of GitLab refuses the token."""
    assert of_kind(FORGEJO, SIGN_IN).message.endswith("; it requires a token")
    assert of_kind(FORGEJO, SIGN_IN).remedy == TOKEN
    assert of_kind(FORGEJO, SIGN_IN, token="t").message.endswith("; the token was rejected")
    assert of_kind(GITLAB, SIGN_IN).remedy.startswith(CHECK)
    assert of_kind(FORGEJO, Response(200, JSON, b'{"version": "15.0.9"}')).ok


def of_kind(kind: HostedKind, answer: Answer, **setting: object) -> Finding:
    """Return the finding about an operator's host of a kind."""
    forge = Hosts({"a.org": ForgeSetting.model_validate({"kind": kind.kind.value, **setting})}).forge("a.org")
    return host_finding(forge, kind.title, policy_of(forge), answer, kind.read_probe(answer, "a.org"), NO_META)


def test_a_limit_is_a_response() -> None:
    """A host that limits its clients can be used."""
    assert of_kind(GITLAB, Response(429, {}, b"Retry later")).ok


def test_a_page_that_is_missing_is_a_response() -> None:
    """A git server needs no front page."""
    assert "responds" in finding("git.example.org", Response(404, {}, b"")).message


def test_a_failed_detection() -> None:
    """The reason and the next attempt; nothing for a host that was detected."""
    failed = not_detected(StoredForge("a.org"), "status 502", NOW)
    (found,) = detection_finding(failed, "a.org", NOW + timedelta(minutes=20))
    assert found.ok
    assert found.message == "the kind of a.org could not be detected (status 502); tried again in 40 min"
    assert detection_finding(StoredForge("a.org", ForgeKind.GITLAB, KnownBy.DETECTED, message="x"), "a", NOW) == []


def test_a_contact_is_asked_for() -> None:
    """Only if the catalogue has repositories beside GitHub's."""
    (found,) = contact_finding(None, 2)
    assert (found.ok, "FETCHER_CONTACT" in found.remedy) == (False, True)
    assert contact_finding("ops@a.org", 2) == contact_finding(None, 0) == []
