"""What the ledger knows of one identity, and how time passes over it. Pure: the keepers decide where it lives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from fetcher.budget.rules import Terms


class Step(NamedTuple):
    """What was settled within one step of the sliding window."""

    at: int
    points: int
    ms: int


@dataclass(slots=True)
class Meter:
    """One resource of an identity: its primary quota and what the last minute saw of it."""

    remaining: int
    reset: int
    limit: int = 0
    """0 until a header has told the quota; until then one request probes at a time."""
    told: bool = False
    """``reset`` is the upstream's word, not our presumption."""
    paused: int = 0
    why: str = ""
    slow: int = 0
    """About the slowest of late, in ms: what the next is expected to take at least."""
    log: list[Step] = field(default_factory=list)


@dataclass(slots=True)
class Hold:
    """A granted request that is not settled yet."""

    resource: str
    points: int
    ms: int
    at: int


@dataclass(slots=True)
class Account:
    """One identity at one upstream."""

    seen: int
    """The ledger's clock: the latest ``now`` that any worker brought."""
    quiet: int = 0
    """Until then one request at a time: the ledger was lost, so nobody knows what the last minute saw."""
    paused: int = 0
    why: str = ""
    failures: int = 0
    throttled: int = 0
    """When last told off: an answer to a request sent before says nothing new."""
    wish: int = 0
    """Until then a person waits for a place that the background must not take."""
    meters: dict[str, Meter] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)

    def meter(self, terms: Terms, now: int) -> Meter:
        found = self.meters.get(terms.resource)
        if found is None:
            found = self.meters[terms.resource] = Meter(remaining=terms.primary, reset=now + terms.hour)
        return found

    def advance(self, terms: Terms, now: int) -> int:
        """Let time pass until ``now`` and return the ledger's: windows slide, quotas renew, dead grants end."""
        now = self._tell_time(terms, now)
        for meter in self.meters.values():
            if terms.primary and now >= meter.reset + terms.grace:
                meter.remaining = meter.limit or terms.primary
                meter.reset, meter.told = now + terms.hour, False
        for key, hold in list(self.holds.items()):
            if hold.at + terms.hold <= now:
                del self.holds[key]
                meter = self.meters[hold.resource]
                meter.remaining = max(0, meter.remaining - hold.points)
                note(meter, terms, now, 1, hold.ms)
        gone = terms.tick + terms.span
        for meter in self.meters.values():
            if meter.log and meter.log[0].at + gone <= now:
                meter.log = [step for step in meter.log if step.at + gone > now]
        return now

    def _tell_time(self, terms: Terms, now: int) -> int:
        """Never backwards, but for a clock that was set back: then everything recorded moves back with it.

        A quota's reset is the upstream's time and stays, but no window ends later than an hour from now.
        """
        back = self.seen - now
        if back <= 0:
            self.seen = now
            return now
        if back < terms.skew:
            return self.seen
        self.seen = now
        self.quiet, self.paused, self.wish = self.quiet - back, self.paused - back, self.wish - back
        self.throttled -= back
        for hold in self.holds.values():
            hold.at -= back
        for meter in self.meters.values():
            meter.log = [Step(step.at - back, step.points, step.ms) for step in meter.log]
            meter.paused = min(meter.paused, now + terms.hour + terms.grace)
            if meter.reset > now + terms.hour:
                meter.reset, meter.told = now + terms.hour, False
        return now


def note(meter: Meter, terms: Terms, now: int, points: int, ms: int) -> None:
    """Enter what was spent into the sliding window, in the step that ``now`` falls into."""
    last = meter.log[-1] if meter.log else None
    if last is not None and now < last.at + terms.tick:
        meter.log[-1] = Step(last.at, last.points + points, last.ms + ms)
    else:
        meter.log.append(Step(now, points, ms))
