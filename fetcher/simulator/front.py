"""The steps of every request: authentication, limits, the handler, faults and the log."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from fetcher.simulator.clock import Clock
from fetcher.simulator.exchange import Answer, Call, Handler, Upstream
from fetcher.simulator.faults import Delivery, Faults, Rule, Struck
from fetcher.simulator.journal import Entry, Journal
from fetcher.simulator.wire import deliver, read_body


class Gate(Protocol):
    """The part that differs between the upstreams: identities and limits."""

    def admit(self, call: Call) -> Answer | None:
        """Admit the request (return None; one ``release`` follows), or return its refusal."""

    def settle(self, call: Call, answer: Answer) -> None:
        """Charge the response and report the quota in its headers."""

    def release(self, call: Call, took: timedelta) -> None:
        """Record that the response was sent."""

    def throttled(self, call: Call, rule: Rule) -> None:
        """Record that a fault sent the client a time to wait."""

    def resource(self, call: Call) -> str:
        """Return the quota that the request counts for, by its name in the log."""


@dataclass(slots=True)
class Front:
    """One upstream's front; its handlers use neither sockets nor limits."""

    upstream: Upstream
    gate: Gate
    faults: Faults
    journal: Journal
    clock: Clock
    etags: bool = True
    latency: timedelta = timedelta(0)

    async def serve(self, route: str, handle: Handler, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive) if scope["method"] == "POST" else b""
        call = read_call(self.upstream, route, scope, body, self.clock)
        self.journal.arrived(self.upstream)
        refused = self.gate.admit(call)
        # No fault applies to a refusal: it counts against the client, so the client must have received it.
        struck = Struck(refused, Delivery()) if refused else self.faults.strike(call, handle(call))
        answer = struck.answer
        self._validate(call, answer)
        self.gate.settle(call, answer)
        if struck.throttle is not None:
            self.gate.throttled(call, struck.throttle)
        struck.delivery.delay += self.latency
        entry = self._write_down(call, struck)
        try:
            await deliver(answer, struck.delivery, receive, send)
        finally:
            took = self.clock.now() - call.now
            if refused is None:
                self.gate.release(call, took)
            self.journal.left(entry, took)

    def _validate(self, call: Call, answer: Answer) -> None:
        """Set the validator of a good response, and turn it into a 304 if the client has it already."""
        if not self.etags or call.method != "GET" or answer.status != 200:
            return
        etag = answer.etag
        if etag is None:
            if answer.stream is not None:
                return
            answer.body, answer.payload = answer.encoded(), None
            etag = _etag(call, answer.body)
        answer.headers["etag"] = etag
        known = call.headers.get("if-none-match", "")
        if known and etag.removeprefix("W/") in known:
            answer.status, answer.body, answer.stream = 304, b"", None

    def _write_down(self, call: Call, struck: Struck) -> Entry:
        """Log the request before its response is sent: a client with the response must find it in the log."""
        entry = Entry(
            at=call.now,
            upstream=call.upstream,
            route=call.route,
            method=call.method,
            status=struck.answer.status,
            identity=call.identity,
            points=struck.answer.points,
            packages=tuple(struck.answer.packages),
            operation=struck.answer.operation,
            reason=struck.answer.reason,
            fault=", ".join(struck.names),
        )
        self.journal.answered(entry, self.gate.resource(call))
        return entry


def _etag(call: Call, body: bytes) -> str:
    """Return a weak ETag that differs for each credential on GitHub, a strong one for all clients on PyPI."""
    if call.upstream is Upstream.PYPI:
        return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
    key = (call.token or "").encode()[:64]
    return f'W/"{hashlib.blake2b(body, key=key, digest_size=32).hexdigest()}"'


def read_call(upstream: Upstream, route: str, scope: Scope, body: bytes, clock: Clock) -> Call:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    root = f"{scope.get('scheme', 'http')}://{headers.get('host', '')}{scope.get('root_path', '')}"
    query: Mapping[str, str] = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    return Call(
        upstream=upstream,
        route=route,
        method=scope["method"],
        root=root,
        path=scope["path"].removeprefix(scope.get("root_path", "")),
        parameters=scope.get("path_params", {}),
        query=query,
        headers=headers,
        body=body,
        address=(scope.get("client") or ("",))[0],
        now=clock.now(),
    )


class OpenGate:
    """The gate of PyPI, which requires no identity and enforces no limit."""

    def admit(self, call: Call) -> Answer | None:
        return None

    def settle(self, call: Call, answer: Answer) -> None:
        """Charge nothing."""

    def release(self, call: Call, took: timedelta) -> None:
        """Count nothing."""

    def throttled(self, call: Call, rule: Rule) -> None:
        """Record nothing, because there is no identity."""

    def resource(self, call: Call) -> str:
        return "pypi"
