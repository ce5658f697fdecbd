"""The steps of every request: authentication, limits, the handler, faults and the log."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from fetcher.simulator.clock import Clock
from fetcher.simulator.exchange import Answer, Call, Handler
from fetcher.simulator.faults import Delivery, Faults, Struck
from fetcher.simulator.journal import Entry, Journal
from fetcher.simulator.mount import Upstream
from fetcher.simulator.wire import deliver, read_body


@dataclass(slots=True)
class Front:
    """One upstream's front; its handlers use neither sockets nor limits."""

    name: str
    upstream: Upstream
    faults: Faults
    journal: Journal
    clock: Clock
    latency: timedelta = timedelta(0)

    async def serve(self, route: str, handle: Handler, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive) if scope["method"] == "POST" else b""
        gate = self.upstream.gate
        call = read_call(self.name, route, scope, body, self.clock)
        self.journal.arrived(self.name)
        refused = gate.admit(call)
        # No fault applies to a refusal: it counts against the client, so the client must have received it.
        struck = Struck(refused, Delivery()) if refused else self.faults.strike(call, handle(call), self.upstream.fault)
        answer = struck.answer
        self._validate(call, answer)
        gate.settle(call, answer)
        if struck.throttle is not None:
            gate.throttled(call, struck.throttle)
        struck.delivery.delay += self.latency
        entry = self._write_down(call, struck)
        try:
            self.journal.bytes[self.name, route] += await deliver(answer, struck.delivery, receive, send)
        finally:
            took = self.clock.now() - call.now
            if refused is None:
                gate.release(call, took)
            self.journal.left(entry, took)

    def _validate(self, call: Call, answer: Answer) -> None:
        """Set the validator of a good response, and turn it into a 304 if the client has it already."""
        if not self.upstream.etags or call.method != "GET" or answer.status != 200:
            return
        etag = answer.etag
        if etag is None:
            if answer.stream is not None:
                return
            answer.body, answer.payload = answer.encoded(), None
            etag = self.upstream.etag(call, answer.body)
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
        self.journal.answered(entry, self.upstream.gate.resource(call))
        return entry


def read_call(upstream: str, route: str, scope: Scope, body: bytes, clock: Clock) -> Call:
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
