"""`fetcher refresh` with a rejected credential: it ends with the reason instead of waiting for the quota."""

from __future__ import annotations

import pytest

from fetcher.cli.refreshing import rejection
from fetcher.domain.model import Purpose
from fetcher.http.gateway import Gateway
from fetcher.http.messages import Answer, Fault, NoAnswer, Request
from fetcher.quota import MemoryQuota
from fetcher.upstreams.github.limits import GITHUB, Resource
from fetcher.upstreams.github.readers.classify import classify
from tests.harness.clock import NOW, StoppedClock
from tests.harness.fakes import ScriptedTransport, answer
from tests.harness.policies import POLICIES

ROOT = "https://api.example"
APP = NoAnswer(Fault.NO_CREDENTIAL, "api.example: GitHub refuses the App's installation token (status 401)")
TOKEN = answer({"message": "Bad credentials"}, 401)
EXHAUSTED = answer({"message": "API rate limit exceeded"}, 403, {"x-ratelimit-remaining": "0"})


async def _rejection_after(answered: Answer) -> str:
    quota, clock = MemoryQuota(POLICIES), StoppedClock(NOW)
    gateway = Gateway(ScriptedTransport(lambda _: answered, [ROOT]), quota, clock, {GITHUB: "app:1:2"})
    request = Request(GITHUB, Resource.CORE, "repository", ROOT + "/a")
    await gateway.send(request, Purpose.MANUAL, classify)
    assert [status.paused_until is not None for status in await quota.quota_status(NOW)] == [True]
    rejected = await rejection(quota, NOW, [GITHUB])
    return "" if rejected is None else rejected.pause_reason or ""


@pytest.mark.parametrize(
    ("answered", "reason"),
    [
        (APP, "api.example: GitHub refuses the App's installation token (status 401)"),
        (TOKEN, "GitHub does not accept the credential: Bad credentials"),
        (EXHAUSTED, ""),
    ],
)
async def test_a_rejected_credential_differs_from_a_used_up_quota(answered: Answer, reason: str) -> None:
    """Return the reason of a rejected token and of a rejected App, and none for a pause that ends by itself."""
    assert await _rejection_after(answered) == reason
