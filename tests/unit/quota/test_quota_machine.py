"""The ledger under random use by workers whose clocks are set forward and back."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fetcher.quota import MemoryQuota, QuotaRequest, Reservation
from fetcher.upstreams.github.limits import Resource
from fetcher.upstreams.pypi.limits import PYPI
from tests.harness.examples import examples
from tests.harness.policies import POLICIES
from tests.unit.quota.builders import at, manual, pause, usage
from tests.unit.quota.histories import requests


class Ledger(RuleBasedStateMachine):
    """A state machine: limits in flight and a minute hold and the ledger never stalls, whatever the clocks do."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.quota = MemoryQuota(POLICIES)
        self.now = 0.0
        self.open: list[Reservation] = []
        self.sent: list[tuple[float, QuotaRequest]] = []

    @rule(request=requests(), times=st.integers(1, 30))
    def reserve(self, request: QuotaRequest, times: int) -> None:
        for _ in range(times):
            found = self.runner.run(self.quota.reserve(request, at(self.now)))
            if isinstance(found, Reservation):
                self.open.append(found)
                self.sent.append((self.now, request))

    @precondition(lambda self: self.open)
    @rule(remaining=st.integers(0, 5_000), seconds=st.sampled_from([0.0, 0.1, 3.0]), times=st.integers(1, 30))
    def answer(self, remaining: int, seconds: float, times: int) -> None:
        for _ in range(min(times, len(self.open))):
            reservation = self.open.pop(0)
            answer = usage(remaining, seconds=seconds, resource=reservation.request.resource, reset=self.now + 1_800)
            self.runner.run(self.quota.settle(reservation, answer, at(self.now)))

    @precondition(lambda self: self.open)
    @rule(retry_after=st.sampled_from([None, 0.0, 30.0, 3_600.0]))
    def throttle(self, retry_after: float | None) -> None:
        answer = usage(points=0, pause=pause(retry_after=retry_after))
        self.runner.run(self.quota.settle(self.open.pop(), answer, at(self.now)))

    @rule(seconds=st.floats(0, 90))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(hours=st.sampled_from([-1, 1]))
    def set_clock(self, hours: int) -> None:
        self.now += hours * 3_600
        self.open.clear()
        self.sent.clear()

    @rule()
    def lag(self) -> None:
        """Reserve by a worker whose clock is a little behind."""
        self.runner.run(self.quota.reserve(manual(PYPI), at(self.now - 4)))

    @invariant()
    def within_limits(self) -> None:
        """Allow an identity 855 REST requests a minute and 95 open ones, counted since the clock was last set."""
        minute = [
            request for moment, request in self.sent if moment > self.now - 60 and request.resource is Resource.CORE
        ]
        assert sum(request.identity == "octo" for request in minute) <= 855
        for status in self.runner.run(self.quota.quota_status(at(self.now))):
            assert status.in_flight <= 95

    def teardown(self) -> None:
        """Reserve a manual request within four hours, retrying only at the moments that the ledger names."""
        start = self.now
        while not isinstance(found := self.runner.run(self.quota.reserve(manual(), at(self.now))), Reservation):
            later = (found.until - at(0)) / timedelta(seconds=1)
            assert later > self.now
            self.now = later
        assert self.now - start <= 4 * 3_600
        self.runner.close()


LedgerTest = Ledger.TestCase
LedgerTest.settings = settings(examples(0.6), stateful_step_count=30)
