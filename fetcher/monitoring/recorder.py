"""Metrics that one process has counted since its last write to Redis: bounded sums by field.

A field is a metric's name and its labels' values. A histogram has one field for each non-empty bucket, named by its
upper bound, and one for the sum. A gauge's field holds a value instead of a sum.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import assert_never

from fetcher.domain.lag import Lag
from fetcher.domain.model import Deferral, GivenBack, MadeDue, Observed, OutcomeKind, Purpose, Record
from fetcher.domain.outcome import NonValue, Throttled, Unauthorized
from fetcher.http.gateway import points_of
from fetcher.http.messages import Answer, NoAnswer, Request, Response
from fetcher.http.retirement import read_retirement
from fetcher.monitoring.definitions import (
    BATCH_PACKAGES,
    CHANGE_LAG,
    COMPLETED_TASKS,
    COUNTED,
    DEPRECATED_RESPONSES,
    HOOKS,
    LEASES_EXPIRED,
    PAUSES,
    POINTS,
    REFRESHES,
    REQUEST_SECONDS,
    REQUESTED_PACKAGES,
    REQUESTS,
    SUNSET,
    TASK_SECONDS,
    WEBHOOKS,
    Counted,
    Gauge,
    Histogram,
    HookResult,
    PauseLabel,
    TaskState,
)

SEPARATOR = "|"
SUM, INFINITE = "sum", "+Inf"

_GAUGES = frozenset(metric.name for metric in COUNTED if isinstance(metric, Gauge))


class MetricsRecorder:
    """A ``fetcher.ports.Observer`` that counts. One per process; ``take`` empties it."""

    def __init__(self) -> None:
        self._sums: defaultdict[str, float] = defaultdict(float)
        self._latest: dict[str, float] = {}

    # recording

    def responded(self, request: Request, answer: Answer, outcome: NonValue | None) -> None:
        """See ``fetcher.ports.Observer``."""
        status, group = _status(answer)
        self._add(REQUESTS, (request.upstream, request.route, status), answer.attempts)
        self._observe(REQUEST_SECONDS, (request.upstream, request.route, group), answer.seconds)
        if points := points_of(request, answer) * answer.attempts:
            self._add(POINTS, (request.upstream, request.route), points)
        if request.packages and outcome is None:
            self._add(REQUESTED_PACKAGES, (request.upstream, request.route), request.packages)
        cause = _cause(outcome)
        if cause is not None:
            self._add(PAUSES, (cause, request.upstream), 1)
        self._note_retirement(request, answer)

    def refreshed(self, purpose: Purpose, packages: int, records: Sequence[Record]) -> None:
        """See ``fetcher.ports.Observer``."""
        if packages:
            self._observe(BATCH_PACKAGES, (purpose,), packages)
        for record in records:
            match record:
                case Observed():
                    self._add(REFRESHES, (record.source, record.outcome), 1)
                case Deferral():
                    self._add(REFRESHES, (record.source, OutcomeKind.DEFERRED), 1)
                case GivenBack() | MadeDue():
                    pass
                case _:
                    assert_never(record)

    def changed(self, lags: Sequence[Lag]) -> None:
        """See ``fetcher.ports.Observer``."""
        for lag in lags:
            self._observe(CHANGE_LAG, (lag.kind,), lag.time.total_seconds())

    def task_ended(self, task: str, seconds: float, state: TaskState) -> None:
        self._observe(TASK_SECONDS, (task,), seconds)
        self._add(COMPLETED_TASKS, (task, state), 1)

    def webhook_sent(self, result: str) -> None:
        """Count an attempt to deliver a webhook."""
        self._add(WEBHOOKS, (result,), 1)

    def hook_received(self, forge: str, result: HookResult) -> None:
        """Count a webhook of a forge."""
        self._add(HOOKS, (forge, result), 1)

    def leases_expired(self, rows: int) -> None:
        if rows:
            self._add(LEASES_EXPIRED, (), rows)

    # flushing

    def take(self) -> dict[str, float]:
        """Return and reset the amounts counted since the last call."""
        taken = {**self._sums, **self._latest}
        self._sums, self._latest = defaultdict(float), {}
        return taken

    def give_back(self, taken: Mapping[str, float]) -> None:
        """Add amounts back after a failed write, to be written the next time."""
        for field, amount in taken.items():
            if holds_latest(field):
                self._latest.setdefault(field, amount)
            else:
                self._sums[field] += amount

    def _note_retirement(self, request: Request, answer: Answer) -> None:
        """Count a response that announces the end of an API version, and store the announced date."""
        if not isinstance(answer, Response):
            return
        announced = read_retirement(answer.headers)
        if announced is None:
            return
        self._add(DEPRECATED_RESPONSES, (request.route,), 1)
        if announced.sunset_at is not None:
            self._latest[_field(SUNSET, (request.route,))] = announced.sunset_at.timestamp()

    def _add(self, metric: Counted, labels: Sequence[str], amount: float, part: str = "") -> None:
        self._sums[_field(metric, labels, part)] += amount

    def _observe(self, histogram: Histogram, labels: Sequence[str], value: float) -> None:
        place = bisect_left(histogram.bounds, value)
        self._add(histogram, labels, 1, bound_name(histogram, place))
        self._add(histogram, labels, value, SUM)


def holds_latest(field: str) -> bool:
    """Return whether ``field`` belongs to a gauge: its value replaces the stored one, while sums are added."""
    return field.partition(SEPARATOR)[0] in _GAUGES


def _field(metric: Counted, labels: Sequence[str], part: str = "") -> str:
    values = (label.of(value) for label, value in zip(metric.labels, labels, strict=True))
    return SEPARATOR.join((metric.name, *values, part))


def bound_name(histogram: Histogram, place: int) -> str:
    """Return the name of the bucket at ``place``: its upper bound, or ``+Inf``."""
    return f"{histogram.bounds[place]:g}" if place < len(histogram.bounds) else INFINITE


def read_field(metric: Counted, field: str) -> tuple[tuple[str, ...], str] | None:
    """Return the label values and the part of ``field``; ``None`` if ``metric`` does not declare it."""
    name, *values = field.split(SEPARATOR)
    if name != metric.name or len(values) != len(metric.labels) + 1:
        return None
    *labels, part = values
    if not all(label.has(value) for label, value in zip(metric.labels, labels, strict=True)):
        return None
    return tuple(labels), part


def _status(answer: Answer) -> tuple[str, str]:
    """Return the status code, or the name of the transport error, and its class."""
    if isinstance(answer, NoAnswer):
        return answer.fault, "none"
    return str(answer.status), f"{answer.status // 100}xx"


def _cause(outcome: NonValue | None) -> PauseLabel | None:
    """Return the cause of the pause that ``outcome`` starts for the shared quota; ``None`` without a pause."""
    match outcome:
        case Unauthorized():
            return PauseLabel.REJECTED
        case Throttled(retry_after=None, reset_at=None):
            return PauseLabel.NO_RETRY_AFTER
        case Throttled(retry_after=None):
            return PauseLabel.QUOTA
        case Throttled():
            return PauseLabel.RETRY_AFTER
        case _:
            return None
