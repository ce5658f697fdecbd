"""Detection of a host's kind by its responses."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from fetcher.domain.forges import ForgeKind
from fetcher.domain.model import Purpose
from fetcher.http.gateway import Gateway
from fetcher.http.messages import Answer, Fault, NoAnswer, Request, Response
from fetcher.quota import PauseCause
from fetcher.upstreams.hosted.detection import Detected, Undetected, detect
from fetcher.upstreams.hosted.hosts import Hosts
from tests.harness.clock import NOW, StoppedClock
from tests.harness.fakes import GenerousQuota, ScriptedTransport, answer

HOST = Hosts().forge("git.example.org")
PAGE = answer(b"<html>", headers={"content-type": "text/html"})
MISSING = answer(b"<html>", 404)
FRONT, GITLAB_API, FORGEJO_API = "/", "/api/v4/version", "/api/v1/version"


class Scripted:
    """A gateway before a host with prepared responses by path; other paths are missing."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self.answers = answers
        self.quota = GenerousQuota()
        self.transport = ScriptedTransport(self._answer, [HOST.root])
        self.gateway = Gateway(self.transport, self.quota, StoppedClock(NOW), {HOST.name: "anonymous"})

    def _answer(self, request: Request) -> Answer:
        return self.answers.get(request.url.removeprefix(HOST.root), MISSING)

    @property
    def paths(self) -> list[str]:
        return [request.url.removeprefix(HOST.root) for request in self.transport.requests]

    async def detect(self) -> Detected | Undetected:
        return await detect(HOST, self.gateway, Purpose.BACKGROUND)


@pytest.mark.parametrize(
    ("answers", "kind", "requests"),
    [
        ({FRONT: answer(b"", 302, {"x-gitlab-meta": "{}", "location": "/users/sign_in"})}, ForgeKind.GITLAB, 1),
        ({FRONT: answer(b"", headers={"x-forgejo-version": "15.0.9"})}, ForgeKind.FORGEJO, 1),
        ({FRONT: answer(b"", 503, {"x-gitea-version": "1.27"})}, ForgeKind.FORGEJO, 1),
        ({FRONT: answer(b"", headers={"x-github-request-id": "1:2"})}, ForgeKind.GIT, 1),
        ({FRONT: PAGE, GITLAB_API: answer({"message": "401 Unauthorized"}, 401)}, ForgeKind.GITLAB, 2),
        ({FRONT: PAGE, GITLAB_API: answer({"version": "19.4.0", "revision": "1a"})}, ForgeKind.GITLAB, 2),
        ({FRONT: PAGE, FORGEJO_API: answer({"version": "15.0.9+gitea-1.22.0"})}, ForgeKind.FORGEJO, 3),
        ({FRONT: PAGE, FORGEJO_API: answer({"version": "1.27.3"})}, ForgeKind.FORGEJO, 3),
        ({FRONT: PAGE}, ForgeKind.GIT, 3),
        ({FRONT: PAGE, GITLAB_API: answer({"version": 1}), FORGEJO_API: answer([])}, ForgeKind.GIT, 3),
        ({FRONT: PAGE, GITLAB_API: answer(b"[" * 100_000), FORGEJO_API: answer(b"{")}, ForgeKind.GIT, 3),
        ({FRONT: PAGE, GITLAB_API: answer({"error": "login"}, 401)}, ForgeKind.GIT, 3),
    ],
)
async def test_a_kind(answers: Mapping[str, Answer], kind: ForgeKind, requests: int) -> None:
    """Headers come first, then the endpoints; a host without a sign is served by git."""
    host = Scripted(answers)
    found = await host.detect()
    assert isinstance(found, Detected)
    assert found.kind is kind
    assert len(host.paths) == requests


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (NoAnswer(Fault.UNREACHABLE, "cannot connect"), "cannot connect"),
        (NoAnswer(Fault.TIMED_OUT, "timed out"), "timed out"),
        (NoAnswer(Fault.FORBIDDEN_HOST, "it resolves to a loopback address"), "loopback"),
        (Response(502, {}, b""), "status 502"),
        (Response(429, {"retry-after": "60"}, b""), "status 429"),
    ],
)
async def test_a_failure_states_nothing(fault: Answer, reason: str) -> None:
    """Without a response nothing more is requested, at whichever step."""
    for path, before in ((FRONT, []), (GITLAB_API, [FRONT]), (FORGEJO_API, [FRONT, GITLAB_API])):
        host = Scripted({FRONT: PAGE, **dict.fromkeys(before, PAGE), path: fault})
        found = await host.detect()
        assert isinstance(found, Undetected)
        assert reason in found.reason
        assert set(host.paths) == {*before, path}


async def test_a_demand_to_wait_reaches_the_ledger() -> None:
    """A 429 pauses the host's account; a refusal to strangers does not reject the credential."""
    host = Scripted({FRONT: Response(429, {"retry-after": "60"}, b"")})
    await host.detect()
    (usage,) = host.quota.usages
    assert usage.pause is not None
    assert usage.pause.cause is PauseCause.LIMIT
    closed = Scripted({FRONT: answer(b"", 401), GITLAB_API: answer(b"", 403), FORGEJO_API: answer(b"", 401)})
    assert await closed.detect() == Undetected("status 401: it shows its kind only after a login")
    assert [usage.pause for usage in closed.quota.usages] == [None] * 3
