"""The gateway: each request is reserved, sent, read and settled, in this order and at the right cost."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fetcher.domain.model import Purpose, ReportedQuota
from fetcher.domain.outcome import Deferred, Malformed, Moved, NonValue, Throttled, Transient, Unauthorized
from fetcher.http.circuit_breaker import OPEN_FOR
from fetcher.http.deadline import deadline
from fetcher.http.gateway import MAX_REDIRECTS, REJECTED_PAUSE, SHORT_WAIT, Gateway
from fetcher.http.messages import Answer, Fault, NoAnswer, Request, Response
from fetcher.ports import NullObserver
from fetcher.quota import Pause, PauseCause, RetryAt
from fetcher.upstreams.github.limits import GITHUB, Resource
from fetcher.upstreams.github.readers.classify import classify, read_meta
from fetcher.upstreams.pypi.limits import PYPI
from tests.harness.clock import NOW, SECOND, StoppedClock
from tests.harness.fakes import GenerousQuota, ScriptedTransport, answer

ROOT = "https://api.example"
IDENTITIES = {GITHUB: "token:1", PYPI: "index:x"}
QUOTA_HEADERS = {"x-ratelimit-limit": "5000", "x-ratelimit-remaining": "7", "x-ratelimit-reset": "1800000000"}


def request_for(path: str = "/a", **fields: Any) -> Request:
    usual: dict[str, Any] = {"upstream": GITHUB, "resource": Resource.CORE, "route": "repository"}
    return Request(**{**usual, "url": ROOT + path, **fields})


class Harness:
    """A gateway with prepared responses that records its calls."""

    def __init__(
        self, *answers: Answer, max_wait: timedelta = timedelta(0), refusals: Sequence[RetryAt | None] = ()
    ) -> None:
        self.answers = deque(answers)
        self.quota = GenerousQuota(deque(refusals))
        self.clock = StoppedClock(NOW)
        self.transport = ScriptedTransport(self._next, [ROOT])
        self.gateway = Gateway(
            self.transport,
            self.quota,
            self.clock,
            IDENTITIES,
            read_meta={GITHUB: read_meta},
            max_wait=max_wait,
            sleep=self.clock.sleep,
        )

    def _next(self, request: Request) -> Answer:
        self.quota.log.append("send")
        return self.answers.popleft()

    async def send(self, request: Request | None = None, purpose: Purpose = Purpose.BACKGROUND) -> Any:
        return await self.gateway.send(request or request_for(), purpose, classify)


async def test_reserved_before_it_is_sent_and_settled_after() -> None:
    """The reservation comes first and names the identity, the resource, the purpose and the points."""
    good = answer([], seconds=0.2)
    harness = Harness(good)
    assert await harness.send(request_for(points=3), Purpose.MANUAL) == good
    assert harness.quota.log == ["reserve", "send", "settle"]
    (reserved,) = harness.quota.requests
    assert (reserved.identity, reserved.resource, reserved.purpose, reserved.points) == (
        "token:1",
        Resource.CORE,
        Purpose.MANUAL,
        3,
    )
    assert harness.gateway.identity(PYPI) == "index:x"


@pytest.mark.parametrize(
    ("answered", "points"),
    [
        (answer([]), 3),
        (answer({}, 404), 3),
        (answer({}, 502), 3),
        (answer(b"", 304), 0),
        (NoAnswer(Fault.UNREACHABLE, "why"), 0),
        (NoAnswer(Fault.FORBIDDEN_HOST, "why"), 0),
        (NoAnswer(Fault.TIMED_OUT, "why"), 3),
        (NoAnswer(Fault.TOO_LARGE, "why"), 3),
    ],
)
async def test_the_cost_of_a_request(answered: Answer, points: int) -> None:
    """A 304 or an unsent request costs nothing; others cost their points, even if the response was lost."""
    harness = Harness(answered)
    await harness.send(request_for(points=3))
    (usage,) = harness.quota.usages
    assert usage.points == points
    assert usage.pause is None


async def test_the_usage_has_seconds_attempts_and_quota() -> None:
    """The usage has the response time, the attempts and the reported quota, even for errors."""
    harness = Harness(Response(502, QUOTA_HEADERS, b"", seconds=1.5, attempts=2))
    await harness.send()
    (usage,) = harness.quota.usages
    assert (usage.seconds, usage.attempts) == (1.5, 2)
    assert usage.quota == ReportedQuota("", 5000, 7, datetime.fromtimestamp(1_800_000_000, UTC))


async def test_an_index_reports_no_quota() -> None:
    """Headers of that name from another upstream are ignored."""
    harness = Harness(Response(200, QUOTA_HEADERS, b""))
    await harness.send(request_for(upstream=PYPI, resource=PYPI))
    assert harness.quota.usages[0].quota is None
    assert harness.quota.requests[0].identity == "index:x"


async def test_throttling_is_in_the_usage() -> None:
    """A throttled response pauses all requests with the same identity."""
    harness = Harness(answer({"message": "secondary rate limit"}, 403, {"retry-after": "30"}))
    outcome = await harness.send()
    assert isinstance(outcome, Throttled)
    assert harness.quota.usages[0].pause == Pause(PauseCause.LIMIT, outcome.reason, retry_after=30 * SECOND)


async def test_a_rejected_credential_pauses_the_identity() -> None:
    """Further requests with a rejected credential would fail, so none is sent for a while."""
    harness = Harness(answer({"message": "Bad credentials"}, 401))
    outcome = await harness.send()
    assert isinstance(outcome, Unauthorized)
    assert harness.quota.usages[0].pause == Pause(PauseCause.REJECTED, outcome.reason, REJECTED_PAUSE)


async def test_a_rejected_app_pauses_the_identity_and_costs_nothing() -> None:
    """The App's token is refused before the request is sent."""
    harness = Harness(NoAnswer(Fault.NO_CREDENTIAL, "GitHub refuses the App"))
    assert await harness.send() == Unauthorized("GitHub refuses the App")
    (usage,) = harness.quota.usages
    assert usage.points == 0
    assert usage.pause == Pause(PauseCause.REJECTED, "GitHub refuses the App", REJECTED_PAUSE)


async def test_how_long_a_rejected_credential_pauses() -> None:
    """The pause is shorter with a simulator whose hour is compressed."""
    quota, clock = GenerousQuota(), StoppedClock(NOW)
    transport = ScriptedTransport(lambda request: answer({}, 401), [ROOT])
    gateway = Gateway(transport, quota, clock, IDENTITIES, rejected_pause=SECOND)
    await gateway.send(request_for(), Purpose.BACKGROUND, classify)
    pause = quota.usages[0].pause
    assert pause is not None
    assert pause.retry_after == SECOND


async def test_the_expected_seconds_follow_the_answers() -> None:
    """The first reservation uses a guess; later ones use the route's smoothed response time."""
    harness = Harness(*(answer([], seconds=seconds) for seconds in (2.0, 4.0, 4.0)), answer([], seconds=9.0))
    for _ in range(3):
        await harness.send()
    await harness.send(request_for(route="other"))
    assert [reserved.seconds for reserved in harness.quota.requests] == [0.5, 2.0, pytest.approx(2.6), 0.5]


# --- redirects and broken connections ---------------------------------------------------------------------------


@pytest.mark.parametrize("location", ["/b", f"{ROOT}/b", f"{ROOT}:443/b", f"{ROOT.upper()}/b", "b"])
async def test_a_redirect_on_the_same_origin_is_followed(location: str) -> None:
    """A relative or absolute redirect, with or without a port, is followed in full and reserved for each hop."""
    good = answer([])
    harness = Harness(answer(b"", 301, {"location": location}), good)
    assert await harness.send(request_for(headers={"accept": "x"}, max_bytes=77)) == good
    assert harness.quota.log == ["reserve", "send", "settle"] * 2
    second = harness.transport.requests[1]
    assert second.url.lower().removeprefix(ROOT).removeprefix(":443") == "/b"
    assert (second.headers["accept"], second.max_bytes) == ("x", 77)


@pytest.mark.parametrize(
    "location",
    [
        "https://elsewhere.example/b",
        "http://api.example/b",
        f"{ROOT}:444/b",
        "//elsewhere.example/b",
        "https://api.example@elsewhere.example/b",
        f"{ROOT}:port/b",
        "https://[broken",
        "file:///etc/passwd",
        "mailto:somebody",
    ],
)
async def test_a_redirect_elsewhere_is_refused(location: str) -> None:
    """A redirect to another host, scheme or port, or to an invalid address, is not followed."""
    harness = Harness(answer(b"", 302, {"location": location}), answer([]))
    outcome = await harness.send()
    assert outcome == Malformed("redirected away from the upstream's own address: not followed")
    assert len(harness.transport.requests) == 1


async def test_a_loop_of_redirects_ends() -> None:
    """The first request and three hops are sent, each reserved and settled; the fourth redirect fails."""
    harness = Harness(*[answer(b"", 301, {"location": "/a"})] * 9)
    assert await harness.send() == Malformed(f"redirected more than {MAX_REDIRECTS} times")
    assert harness.quota.log == ["reserve", "send", "settle"] * (1 + MAX_REDIRECTS)


async def test_a_broken_line_is_tried_once_more() -> None:
    """The retry has a new reservation, because the first request cost quota."""
    good = answer([])
    harness = Harness(NoAnswer(Fault.BROKEN, "cut"), good)
    assert await harness.send() == good
    assert harness.quota.log == ["reserve", "send", "settle"] * 2
    assert [usage.points for usage in harness.quota.usages] == [1, 1]


async def test_a_line_that_stays_broken_is_a_fault() -> None:
    """A second broken connection ends the request."""
    harness = Harness(*[NoAnswer(Fault.BROKEN, "cut")] * 3)
    assert await harness.send() == Transient("cut")
    assert len(harness.answers) == 1


@pytest.mark.parametrize("fault", [Fault.TIMED_OUT, Fault.UNREACHABLE, Fault.TOO_LARGE, Fault.FORBIDDEN_HOST])
async def test_other_faults_are_not_tried_again(fault: Fault) -> None:
    """A timeout may have cost the upstream a lot, and other faults would only repeat."""
    harness = Harness(NoAnswer(fault, "why"), answer([]))
    await harness.send()
    assert len(harness.answers) == 1


async def test_a_break_after_a_redirect_is_tried_at_the_new_place() -> None:
    """Redirects and the retry are counted separately."""
    good = answer([])
    moved = [answer(b"", 301, {"location": f"/{n}"}) for n in range(MAX_REDIRECTS)]
    harness = Harness(*moved, NoAnswer(Fault.BROKEN, "cut"), good)
    assert await harness.send() == good
    assert harness.transport.requests[-1].url == harness.transport.requests[-2].url == f"{ROOT}/{MAX_REDIRECTS - 1}"


# --- waiting ----------------------------------------------------------------------------------------------------


async def test_without_patience_a_wait_is_deferred() -> None:
    """Nothing is sent and no time passes; the request is deferred to the ledger's time."""
    harness = Harness(refusals=[RetryAt(NOW + SECOND, "quota")])
    assert await harness.send() == Deferred(NOW + SECOND, "quota")
    assert harness.quota.log == ["reserve"]
    assert harness.clock.now() == NOW


async def test_a_place_among_requests_under_way_is_waited_for() -> None:
    """Without max_wait for quota, a request still waits for an in-flight slot, which the next responses free."""
    contended = RetryAt(NOW + SECOND, "in flight", contention=True)
    harness = Harness(answer([]), refusals=[contended, None])
    assert isinstance(await harness.send(), Response)
    too_long = Harness(refusals=[RetryAt(NOW + 10 * SECOND, "in flight", contention=True)])
    assert await too_long.send() == Deferred(NOW + 10 * SECOND, "in flight")


async def test_patience_waits_for_leave() -> None:
    """A request waits for quota within its max_wait, and is then sent."""
    refusals = [RetryAt(NOW + 2 * SECOND, "pace"), RetryAt(NOW + 5 * SECOND, "pace")]
    harness = Harness(answer([]), max_wait=10 * SECOND, refusals=refusals)
    await harness.send()
    assert harness.clock.now() == NOW + 5 * SECOND
    assert harness.quota.log == ["reserve", "reserve", "reserve", "send", "settle"]


async def test_patience_ends() -> None:
    """A wait beyond the max_wait is deferred at once, measured from the first refusal."""
    refusals = [RetryAt(NOW + 6 * SECOND, "pace"), RetryAt(NOW + 12 * SECOND, "pace")]
    harness = Harness(max_wait=10 * SECOND, refusals=refusals)
    assert await harness.send() == Deferred(NOW + 12 * SECOND, "pace")
    assert harness.clock.now() == NOW + 6 * SECOND


async def test_a_wait_that_is_over_ends_too() -> None:
    """If the ledger keeps naming past times, the gateway retries a little later each time, up to a limit."""
    harness = Harness(max_wait=SECOND / 50, refusals=[RetryAt(NOW, "late")] * 2 + [RetryAt(NOW + SECOND, "pace")])
    assert await harness.send() == Deferred(NOW + SECOND, "pace")
    assert NOW < harness.clock.now() < NOW + SECOND


async def test_a_redirect_needs_leave_of_its_own() -> None:
    """If the quota is exhausted in between, the request is deferred and the hop is not sent."""
    later = NOW + SHORT_WAIT + SECOND
    harness = Harness(answer(b"", 301, {"location": "/b"}), refusals=[None, RetryAt(later, "quota")])
    assert await harness.send() == Deferred(later, "quota")
    assert len(harness.transport.requests) == 1


# --- timeouts ---------------------------------------------------------------------------------------------------

HANGS = NoAnswer(Fault.TIMED_OUT, "no whole answer within 30 s", 30.0)


async def test_a_route_that_hangs_is_left_alone() -> None:
    """After one timeout, background requests of the route fail unsent for a while, and are then sent again."""
    harness = Harness(HANGS, answer([]))
    first, second = await harness.send(), await harness.send(request_for("/b"))
    harness.clock.advance(OPEN_FOR)
    third = await harness.send(request_for("/c"))
    assert isinstance(first, Transient)
    assert isinstance(second, Transient)
    assert "not requested" in second.reason
    assert isinstance(third, Response)
    assert [request.url for request in harness.transport.requests] == [ROOT + "/a", ROOT + "/c"]
    assert len(harness.quota.usages) == 2


async def test_only_that_route_is_left_alone() -> None:
    """Requests of other routes, of the same route of another upstream, and manual requests are still sent."""
    harness = Harness(HANGS, answer([]), answer([]), answer([]))
    await harness.send()
    assert isinstance(await harness.send(request_for(upstream=PYPI)), Response)
    assert isinstance(await harness.send(request_for(route="contributors")), Response)
    assert isinstance(await harness.send(purpose=Purpose.MANUAL), Response)


async def test_one_that_hangs_among_others_that_answer() -> None:
    """A timeout does not open the circuit if another request had a response in the meantime."""
    harness = Harness(answer([]), answer([]))
    answered = asyncio.Event()
    quick = harness.transport.send

    async def send(request: Request) -> Answer:
        harness.clock.advance(SECOND)
        if request.url.endswith("/slow"):
            await answered.wait()
            return HANGS
        answered.set()
        return await quick(request)

    harness.transport.send = send  # type: ignore[method-assign]
    slow, beside = await asyncio.gather(harness.send(request_for("/slow")), harness.send())
    assert isinstance(slow, Transient)
    assert isinstance(beside, Response)
    assert isinstance(await harness.send(), Response)


async def test_a_clock_set_back_does_not_prolong_a_silence() -> None:
    """A clock set back by an hour does not keep the circuit open for an hour."""
    harness = Harness(HANGS, answer([]))
    await harness.send()
    harness.clock.advance(-timedelta(hours=1))
    assert isinstance(await harness.send(), Response)


async def test_a_batch_that_has_had_its_time() -> None:
    """Requests not started before the deadline are deferred, due at once; started ones are completed."""
    harness = Harness(answer([]), answer(b"", 301, {"location": "/b"}), answer([]))
    with deadline(NOW + SECOND):
        assert isinstance(await harness.send(), Response)
        harness.clock.advance(2 * SECOND)
        assert await harness.send() == Deferred(harness.clock.now(), "its batch has had its time")
        begun = await harness.gateway.send(request_for(), Purpose.BACKGROUND, classify, continuation=True)
    assert isinstance(begun, Response)
    assert len(harness.transport.requests) == 3


# --- streaming --------------------------------------------------------------------------------------------------


async def test_a_stream_is_reserved_and_settled_alike() -> None:
    """A good response's body goes to the feed, and the reader reads the rest."""
    harness = Harness(answer(b"[1, 2]"))
    fed: list[bytes] = []
    outcome = await harness.gateway.stream(request_for(), Purpose.BACKGROUND, fed.append, lambda found: found)
    assert isinstance(outcome, Response)
    assert (b"".join(fed), outcome.body) == (b"[1, 2]", b"")
    assert harness.quota.log == ["reserve", "send", "settle"]


async def test_a_stream_waits_for_leave_and_follows_nothing() -> None:
    """A stream is deferred like other requests; a redirect is an outcome without any fed bytes."""
    harness = Harness(answer(b"away", 301, {"location": "/b"}), refusals=[RetryAt(NOW + SECOND, "quota"), None])
    fed: list[bytes] = []
    first = await harness.gateway.stream(request_for(), Purpose.BACKGROUND, fed.append, classify)
    second = await harness.gateway.stream(request_for(), Purpose.BACKGROUND, fed.append, classify)
    assert first == Deferred(NOW + SECOND, "quota")
    assert type(second).__name__ == "Moved"
    assert fed == []
    assert len(harness.transport.requests) == 1


async def test_whoever_watches_sees_every_request() -> None:
    """The observer receives every sent request, including redirects and retries, with its outcome."""
    seen: list[tuple[str, object]] = []

    class Seeing(NullObserver):
        def responded(self, request: Request, answer: Answer, outcome: NonValue | None) -> None:
            seen.append((request.url, outcome))

    answers = deque([answer({}, 301, {"location": "/b"}), answer({}, 500, {"x-github-request-id": "C0:FF:EE"})])
    quota, clock = GenerousQuota(), StoppedClock(NOW)
    transport = ScriptedTransport(lambda request: answers.popleft(), [ROOT])
    gateway = Gateway(transport, quota, clock, IDENTITIES, read_meta={GITHUB: read_meta}, observer=Seeing())
    outcome = await gateway.send(request_for(), Purpose.BACKGROUND, classify)
    quota.refusals.append(RetryAt(NOW + timedelta(hours=1), "primary quota"))
    await gateway.send(request_for(), Purpose.BACKGROUND, classify)
    assert seen == [(f"{ROOT}/a", Moved("/b")), (f"{ROOT}/b", outcome)]
    assert isinstance(outcome, Transient)
    assert outcome.request_id == "C0:FF:EE"
