"""Fakes of the core's ports: a quota that grants requests, responses without a network.

``ScriptedTransport`` passes the same contract suite as the real transport (``tests/contract/test_transport.py``);
``SimulatorTransport`` calls the simulator's application directly, so that no socket is needed.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import httpx

from fetcher.http.messages import Answer, Fault, NoAnswer, Request, Response, origin
from fetcher.quota import Policies, QuotaRequest, QuotaStatus, Reservation, RetryAt, Usage
from fetcher.simulator.server import Service
from fetcher.upstreams.github.limits import GITHUB

JSON = {"content-type": "application/json; charset=utf-8"}


@dataclass
class GenerousQuota:
    """A quota that grants every request after its ``refusals``, and records requests and usages."""

    refusals: deque[RetryAt | None] = field(default_factory=deque)
    """The results of the next reservations; ``None`` and an empty queue grant."""
    room: int = 1_000_000
    requests: list[QuotaRequest] = field(default_factory=list)
    usages: list[Usage] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    _numbers: count[int] = field(default_factory=lambda: count(1))

    async def reserve(self, request: QuotaRequest, now: datetime) -> Reservation | RetryAt:
        self.requests.append(request)
        self.log.append("reserve")
        refusal = self.refusals.popleft() if self.refusals else None
        return refusal or Reservation(str(next(self._numbers)), request, now)

    async def settle(self, reservation: Reservation, usage: Usage, now: datetime) -> None:
        self.usages.append(usage)
        self.log.append("settle")

    async def capacity(self, request: QuotaRequest, horizon: timedelta, now: datetime) -> int:
        return self.room

    async def quota_status(self, now: datetime) -> Sequence[QuotaStatus]:
        return ()

    def adopt(self, policies: Policies) -> None:
        return None

    async def forget(self, identity: str) -> None:
        return None


Script = Callable[[Request], Answer]


class ScriptedTransport:
    """A transport that responds by a function of the request, within the port's rules: origins, sizes, credential."""

    def __init__(self, script: Script, roots: Collection[str], authorization: str | None = None) -> None:
        self._script = script
        self._origins = {origin(root) for root in roots}
        self._authorization = authorization
        self.requests: list[Request] = []

    async def send(self, request: Request) -> Answer:
        body = bytearray()
        answer = await self.stream(request, body.extend)
        if isinstance(answer, NoAnswer):
            return answer
        return Response(answer.status, answer.headers, answer.body or bytes(body), answer.seconds, answer.attempts)

    async def stream(self, request: Request, feed: Callable[[bytes], None]) -> Answer:
        if origin(request.url) not in self._origins:
            return NoAnswer(Fault.FORBIDDEN_HOST, "not among the upstreams")
        headers = dict(request.headers)
        if request.upstream == GITHUB and self._authorization is not None and not request.anonymous:
            headers["authorization"] = self._authorization
        sent = replace(request, headers=headers)
        self.requests.append(sent)
        answer = self._script(sent)
        if isinstance(answer, NoAnswer):
            return answer
        if len(answer.body) > request.max_bytes:
            return NoAnswer(Fault.TOO_LARGE, f"the answer is larger than {request.max_bytes} bytes", answer.seconds)
        if answer.status != 200:
            return answer
        feed(answer.body)
        return Response(answer.status, answer.headers, b"", answer.seconds, answer.attempts)


Interference = Callable[[Request], Answer | None]


class SimulatorTransport:
    """The simulator's application, called without a socket. ``interfere`` may return a response in its place.

    ``token`` is sent to ``upstream`` only, and never with git's requests.
    """

    root = "http://simulator.invalid"
    github = f"{root}/github"
    index = f"{root}/index"

    def __init__(self, service: Service, token: str | None, upstream: str = GITHUB) -> None:
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app=service.app), base_url=self.root)
        self._token = token
        self._upstream = upstream
        self.interfere: Interference = lambda request: None
        self.received: Counter[str] = Counter()
        """Bytes of bodies by route, as they are before compression."""

    async def aclose(self) -> None:
        await self._client.aclose()

    async def send(self, request: Request) -> Answer:
        interfered = self.interfere(request)
        if interfered is not None:
            return interfered
        headers = dict(request.headers)
        if request.upstream == self._upstream and self._token is not None and not request.anonymous:
            headers["authorization"] = f"Bearer {self._token}"
        response = await self._client.request(request.method, request.url, headers=headers, content=request.body)
        self.received[request.route] += len(response.content)
        return Response(response.status_code, dict(response.headers), response.content, seconds=0.1)

    async def stream(self, request: Request, feed: Callable[[bytes], None]) -> Answer:
        answer = await self.send(request)
        if isinstance(answer, NoAnswer) or answer.status != 200:
            return answer
        for start in range(0, len(answer.body), 100):
            feed(answer.body[start : start + 100])
        return Response(answer.status, answer.headers, b"", answer.seconds)


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None, seconds: float = 0.0) -> Response:
    """Return a JSON response; bytes are sent unchanged."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, {**JSON, **(headers or {})}, content, seconds)
