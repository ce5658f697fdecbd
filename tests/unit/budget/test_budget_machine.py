"""The ledger under random use by workers whose clock is set forward and back."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fetcher.budget import MemoryBudget
from fetcher.ports import Ask, Grant
from fetcher.wire import Resource
from tests.unit.budget.asks import at, bill, manual, throttled
from tests.unit.budget.histories import asks


class Ledger(RuleBasedStateMachine):
    """Shows: never too many in flight or in a minute, and never stuck, whatever the clocks do."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.budget = MemoryBudget()
        self.now = 0.0
        self.open: list[Grant] = []
        self.sent: list[tuple[float, Ask]] = []

    @rule(ask=asks(), times=st.integers(1, 30))
    def ask(self, ask: Ask, times: int) -> None:
        for _ in range(times):
            verdict = self.runner.run(self.budget.reserve(ask, at(self.now)))
            if isinstance(verdict, Grant):
                self.open.append(verdict)
                self.sent.append((self.now, ask))

    @precondition(lambda self: self.open)
    @rule(remaining=st.integers(0, 5_000), seconds=st.sampled_from([0.0, 0.1, 3.0]), times=st.integers(1, 30))
    def answer(self, remaining: int, seconds: float, times: int) -> None:
        for _ in range(min(times, len(self.open))):
            grant = self.open.pop(0)
            answer = bill(remaining, seconds=seconds, resource=grant.ask.resource, reset=self.now + 1_800)
            self.runner.run(self.budget.settle(grant, answer, at(self.now)))

    @precondition(lambda self: self.open)
    @rule(retry_after=st.sampled_from([None, 0.0, 30.0, 3_600.0]))
    def tell_off(self, retry_after: float | None) -> None:
        answer = bill(points=0, throttled=throttled(retry_after=retry_after))
        self.runner.run(self.budget.settle(self.open.pop(), answer, at(self.now)))

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
        """One worker's clock is a little behind."""
        self.runner.run(self.budget.reserve(manual(Resource.PYPI), at(self.now - 4)))

    @invariant()
    def within_limits(self) -> None:
        """Since the clock was last set: at most 855 REST requests of an identity in a minute, and 95 open at once."""
        minute = [ask for moment, ask in self.sent if moment > self.now - 60 and ask.resource is Resource.CORE]
        assert sum(ask.identity == "octo" for ask in minute) <= 855
        for standing in self.runner.run(self.budget.standings(at(self.now))):
            assert standing.in_flight <= 95

    def teardown(self) -> None:
        """Whatever happened, a person who asks again when told to is served within four hours."""
        start = self.now
        while not isinstance(verdict := self.runner.run(self.budget.reserve(manual(), at(self.now))), Grant):
            later = (verdict.until - at(0)) / timedelta(seconds=1)
            assert later > self.now
            self.now = later
        assert self.now - start <= 4 * 3_600
        self.runner.close()


LedgerTest = Ledger.TestCase
LedgerTest.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
