"""The ledger's state of one identity, and how it changes as time passes. Pure: storage is the callers' task."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from fetcher.quota.limits import EffectiveLimits


class Step(NamedTuple):
    """Requests, or points, and response time settled within one step of a window."""

    at: int
    points: int
    ms: int


@dataclass(slots=True)
class Meter:
    """One resource of an identity: its primary quota and the usage of the last minute. Times are in ms."""

    remaining: int
    reset_at: int
    limit: int = 0
    """0 until a response has reported the quota; until then one request at a time probes for it."""
    reset_reported: bool = False
    """The upstream reported ``reset_at``; otherwise it is an assumption."""
    paused_until: int = 0
    pause_cause: str = ""
    pause_reason: str = ""
    latency_ms: int = 0
    """Decaying maximum of response times: the least that the next response is expected to take."""
    log: list[Step] = field(default_factory=list)
    hourly: list[Step] = field(default_factory=list)
    """Points of the last hour, of a resource with a rolling quota; without response times."""


@dataclass(slots=True)
class ReservationMs:
    """A ``Reservation`` in the ledger's numbers: points, expected response time, and when it was made."""

    resource: str
    points: int
    ms: int
    at: int


@dataclass(slots=True)
class Account:
    """One identity at one upstream. Times are in ms."""

    clock: int
    """The latest ``now`` that any worker passed."""
    recovery_until: int = 0
    """End of the recovery after a lost ledger: until then one request at a time, since recent usage is unknown."""
    paused_until: int = 0
    pause_cause: str = ""
    pause_reason: str = ""
    failures: int = 0
    """Consecutive throttlings; each doubles the back-off."""
    throttled_at: int = 0
    """The last throttling. Responses to requests sent before it do not lengthen the back-off."""
    manual_until: int = 0
    """Until then a refused manual request has precedence over background requests."""
    meters: dict[str, Meter] = field(default_factory=dict)
    reservations: dict[str, ReservationMs] = field(default_factory=dict)

    def meter(self, limits: EffectiveLimits, now: int) -> Meter:
        """Return the meter of the limits' resource; a new one has the assumed quota."""
        found = self.meters.get(limits.resource)
        if found is None:
            found = self.meters[limits.resource] = Meter(remaining=limits.primary, reset_at=now + limits.hour)
        return found

    def pending(self, limits: EffectiveLimits) -> list[ReservationMs]:
        """Return the reservations that are counted together with those of the limits' resource."""
        return [each for each in self.reservations.values() if each.resource in limits.together]

    def spent(self, limits: EffectiveLimits) -> list[tuple[int, int]]:
        """Return times and response times of the window, of the resources that are counted together."""
        meters = (meter for name, meter in self.meters.items() if name in limits.together)
        return [(step.at, step.ms) for meter in meters for step in meter.log]

    def advance(self, limits: EffectiveLimits, now: int) -> int:
        """Apply the passage of time until ``now`` and return the ledger's time.

        Sliding windows move, quotas are renewed, and expired reservations count as spent.
        """
        now = self._set_clock(limits, now)
        for meter in self.meters.values():
            if limits.primary and now >= meter.reset_at + limits.grace:
                meter.remaining = meter.limit or limits.primary
                meter.reset_at, meter.reset_reported = now + limits.hour, False
        for key, each in list(self.reservations.items()):
            if each.at + limits.reservation_ttl <= now:
                del self.reservations[key]
                meter = self.meters[each.resource]
                meter.remaining = max(0, meter.remaining - each.points)
                note(meter, limits, now, 1, each.ms)
                if each.resource in limits.rolling_resources:
                    note_points(meter, limits, now, each.points)
        age = limits.tick + limits.window
        for meter in self.meters.values():
            meter.log = _within(meter.log, age, now)
            meter.hourly = _within(meter.hourly, limits.hourly_age, now)
        return now

    def _set_clock(self, limits: EffectiveLimits, now: int) -> int:
        """Return the ledger's time, which never runs backwards unless a clock was set back.

        Then all recorded moments move back with it. A quota's reset is the upstream's time and stays, but no window
        ends later than an hour from now.
        """
        back = self.clock - now
        if back <= 0:
            self.clock = now
            return now
        if back < limits.skew:
            return self.clock
        self.clock = now
        self.recovery_until -= back
        self.paused_until -= back
        self.manual_until -= back
        self.throttled_at -= back
        for each in self.reservations.values():
            each.at -= back
        for meter in self.meters.values():
            meter.log = [Step(step.at - back, step.points, step.ms) for step in meter.log]
            meter.hourly = [Step(step.at - back, step.points, step.ms) for step in meter.hourly]
            meter.paused_until = min(meter.paused_until, now + limits.hour + limits.grace)
            if meter.reset_at > now + limits.hour:
                meter.reset_at, meter.reset_reported = now + limits.hour, False
        return now


def note(meter: Meter, limits: EffectiveLimits, now: int, points: int, ms: int) -> None:
    """Add usage to the sliding window, in the step that contains ``now``."""
    _add(meter.log, Step(now, points, ms), limits.tick)


def note_points(meter: Meter, limits: EffectiveLimits, now: int, points: int) -> None:
    """Add points to the rolling hour, in the step that contains ``now``."""
    if points:
        _add(meter.hourly, Step(now, points, 0), limits.hourly_tick)


def _add(log: list[Step], step: Step, tick: int) -> None:
    last = log[-1] if log else None
    if last is not None and step.at < last.at + tick:
        log[-1] = Step(last.at, last.points + step.points, last.ms + step.ms)
    else:
        log.append(step)


def _within(log: list[Step], age: int, now: int) -> list[Step]:
    """Return the steps that are younger than ``age``."""
    return [step for step in log if step.at + age > now] if log and log[0].at + age <= now else log


def account_name(identity: str, upstream: str) -> str:
    """Return the name of an identity's account at ``upstream``: all resources of the upstream share it.

    The braces are a Redis Cluster hash tag: all keys of an identity are stored on one node.
    """
    return f"{{{identity}}}:{upstream}"


def identity_of(account: str) -> str:
    """Return the identity of an account's name."""
    return account[1 : account.rindex("}")]


def upstream_of(account: str) -> str:
    """Return the upstream of an account's name."""
    return account[account.rindex("}") + 2 :]
