"""Webhooks of forges: accepted when signed, refused when forged, malformed, huge or disabled."""

from __future__ import annotations

import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from fetcher.domain.errors import BrokerError
from fetcher.domain.model import Source
from fetcher.hooks.inbox import Placed
from fetcher.hooks.signatures import Forge
from fetcher.monitoring.definitions import FORGE, HookResult
from fetcher.settings import Settings
from fetcher.web import make_app
from fetcher.web.hooks import LARGEST
from tests.component.web.conftest import Browser, Harness

SECRET = "hook-secret"
PUSH = {
    "ref": "refs/heads/main",
    "repository": {"id": 7, "full_name": "Octo/A", "html_url": "https://github.com/Octo/A"},
}
PROJECT = {"project": {"id": 7, "path_with_namespace": "Octo/A", "web_url": "https://gitlab.com/Octo/A"}}


@pytest.fixture
def settings() -> Settings:
    return Settings(hook_secret=SecretStr(SECRET), web_hosts="directory.test")


def signed(body: bytes, secret: str = SECRET, event: str = "push", delivery: str = "d-1") -> dict[str, str]:
    digest = hmac.digest(secret.encode(), body, "sha256").hex()
    return {
        "content-type": "application/json",
        "x-github-event": event,
        "x-github-delivery": delivery,
        "x-hub-signature-256": f"sha256={digest}",
        "x-forgejo-event": event,
        "x-forgejo-signature": digest,
    }


def post(client: Browser, payload: Any = PUSH, forge: str = "github", **options: Any) -> int:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return client.post(f"/hooks/{forge}", content=body, headers=signed(body, **options)).status_code


@pytest.mark.parametrize("forge", ["github", "forgejo"])
def test_a_signed_event_is_placed(harness: Harness, forge: str) -> None:
    """One hint is placed under the delivery's id, and a worker is informed. No cookie or form token is needed."""
    assert post(harness.client, forge=forge) == 202
    (hint,) = harness.runtime.hints
    assert (hint.keys, hint.repository_id, hint.sources) == (("github.com/octo/a",), "7", (Source.REPOSITORY,))
    assert harness.runtime.informed == 1


def test_gitlab_sends_its_token(harness: Harness) -> None:
    """A nested path and the host of the project's address are taken."""
    headers = {"x-gitlab-event": "Push Hook", "x-gitlab-token": SECRET, "content-type": "application/json"}
    assert harness.client.post("/hooks/gitlab", json=PROJECT, headers=headers).status_code == 202
    assert harness.runtime.hints[0].keys == ("gitlab.com/octo/a",)


def test_only_the_first_hint_informs_a_worker(harness: Harness) -> None:
    """A flood of accepted hints joins one message; a replay is accepted without effect; too many get 429."""
    for placed, status in ((Placed.JOINED, 202), (Placed.REPLAYED, 202), (Placed.REFUSED, 429)):
        harness.runtime.placed = placed
        assert post(harness.client) == status
    assert harness.runtime.informed == 0


def test_each_result_is_counted(harness: Harness) -> None:
    """Accepted, joined, replayed, limited, ignored, unreadable and rejected webhooks are counted by forge."""
    for placed in (Placed.FIRST, Placed.JOINED, Placed.REPLAYED, Placed.REFUSED):
        harness.runtime.placed = placed
        post(harness.client)
    post(harness.client, event="ping")
    post(harness.client, b"[]")
    post(harness.client, secret="other")
    post(harness.client, forge="forgejo")
    assert [result.value for forge, result in harness.runtime.hooks if forge is Forge.GITHUB] == [
        *("accepted", "collapsed", "replayed", "limited", "ignored", "unreadable", "rejected"),
    ]
    assert harness.runtime.hooks[-1] == (Forge.FORGEJO, HookResult.LIMITED)
    assert FORGE.values == set(Forge)


@pytest.mark.parametrize("event", ["ping", "issues"])
def test_an_event_without_effect_is_ignored(harness: Harness, event: str) -> None:
    """The ping at installation and events of other kinds get 204."""
    assert post(harness.client, {"zen": "x"}, event=event) == 204
    assert harness.runtime.hints == []


@pytest.mark.parametrize("headers", [{}, signed(b"another body"), signed(json.dumps(PUSH).encode(), secret="wrong")])
def test_a_forged_event_is_refused(harness: Harness, headers: dict[str, str]) -> None:
    """Without a signature, with that of another body or of another secret: 403, a log line, and nothing is placed."""
    answer = harness.client.post("/hooks/github", content=json.dumps(PUSH).encode(), headers=headers)
    assert answer.status_code == 403
    assert answer.json()["detail"] == "the signature is missing or wrong"
    assert SECRET not in answer.text
    assert harness.runtime.hints == []


def test_forged_events_are_slowed(harness: Harness) -> None:
    """After several, the address gets 429 and the time to wait; a right signature is still accepted."""
    statuses = [post(harness.client, secret="wrong") for _ in range(6)]
    assert statuses[:3] == [403] * 3
    assert statuses[-1] == 429
    assert post(harness.client) == 202


def test_tokens_cannot_be_guessed_quickly(harness: Harness) -> None:
    """During the delay no token is checked, not even the right one; after it, the right one is accepted."""

    def guess(token: str) -> int:
        headers = {"x-gitlab-event": "Push Hook", "x-gitlab-token": token, "content-type": "application/json"}
        return harness.client.post("/hooks/gitlab", json=PROJECT, headers=headers).status_code

    while guess("wrong") != 429:
        pass
    assert guess(SECRET) == 429
    harness.clock.advance(timedelta(minutes=2))
    assert guess(SECRET) == 202


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"[" * 100_000, b'{"repository": 3}', b"\xff"])
def test_a_malformed_event_is_refused(harness: Harness, body: bytes) -> None:
    """A signed body that is no event gets 400 with a remedy, as JSON."""
    answer = harness.client.post("/hooks/github", content=body, headers=signed(body))
    assert answer.status_code == 400
    assert answer.json()["remedy"]


def test_a_huge_event_is_refused(harness: Harness) -> None:
    """By its stated length before it is read, and by its real one where none is stated."""

    async def stream() -> AsyncIterator[bytes]:
        for _ in range(LARGEST // 65536 + 2):
            yield b" " * 65536

    for body in (b" " * (LARGEST + 1), stream()):
        assert harness.client.post("/hooks/github", content=body).status_code == 413
    lied = {"content-length": "9" * 30}
    assert harness.client.post("/hooks/github", content=b"{}", headers=lied).status_code == 413


@pytest.mark.parametrize("path", ["/hooks/github", "/hooks/gitlab", "/hooks/unknown", "/hooks/"])
def test_without_a_secret_there_is_nothing(harness: Harness, path: str) -> None:
    """Webhooks are off by default, and a forge's own secret enables only its path."""
    settings = Settings(web_hosts="directory.test", hook_secret_forgejo=SecretStr(SECRET))
    client = Browser(make_app(replace(harness.context, settings=settings)))
    body = json.dumps(PUSH).encode()
    assert client.post(path, content=body, headers=signed(body)).status_code == 404
    assert client.post("/hooks/forgejo", content=body, headers=signed(body)).status_code == 202
    client.close()


def test_a_forges_own_secret_replaces_the_common_one(harness: Harness) -> None:
    """The common secret no longer signs for that forge, and still does for others."""
    settings = Settings(web_hosts="directory.test", hook_secret=SecretStr("x"), hook_secret_github=SecretStr(SECRET))
    client = Browser(make_app(replace(harness.context, settings=settings)))
    assert post(client) == 202
    assert post(client, secret="x") == 403
    assert post(client, forge="forgejo", secret="x") == 202
    client.close()


def test_another_host_is_refused(harness: Harness) -> None:
    """A webhook is addressed to a known name of this server, as every request is."""
    body = json.dumps(PUSH).encode()
    answer = harness.client.post("/hooks/github", content=body, headers=signed(body) | {"host": "elsewhere.test"})
    assert answer.status_code == 400
    assert answer.json() == {
        "detail": "this host is not allowed",
        "remedy": "Add its name to FETCHER_WEB_HOSTS of the web process",
    }


def test_without_redis_the_forge_gets_an_error(harness: Harness) -> None:
    """The delivery is not remembered, so the forge's list of deliveries shows the failure and can repeat it."""
    harness.runtime.error = BrokerError("Redis cannot be reached", "Start it")
    assert post(harness.client) == 503


def test_a_page_cannot_be_read_there(harness: Harness) -> None:
    """Only POST is accepted."""
    assert harness.client.get("/hooks/github").status_code == 405
