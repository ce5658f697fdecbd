"""Definitions of all metrics that workers count. Each label has a bounded set of values, and so have the series."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from fetcher.domain.lag import ChangeKind
from fetcher.domain.model import OutcomeKind, Purpose, Source
from fetcher.http.messages import Fault
from fetcher.quota import PauseCause
from fetcher.upstreams.registry import KINDS

OTHER: Final = "other"
"""Label value that replaces every undeclared value."""


class PauseLabel(StrEnum):
    """The ledger's causes of a pause, where ``PauseCause.LIMIT`` is split by the presence of ``retry-after``."""

    QUOTA = PauseCause.QUOTA.value
    RETRY_AFTER = "retry_after"
    """The upstream stated the end of the pause."""
    NO_RETRY_AFTER = "no_retry_after"
    """The upstream throttled the request without stating the end of the pause."""
    REJECTED = PauseCause.REJECTED.value


class TaskState(StrEnum):
    """The result of a completed task."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"


TASKS = (
    "fetcher.plan",
    "fetcher.refresh_batch",
    "fetcher.refresh_packages",
    "fetcher.refresh_requests",
    "fetcher.serials",
    "fetcher.sweeps",
    "fetcher.feed",
    "fetcher.hints",
    "fetcher.verify",
    "fetcher.expire",
    "fetcher.prune",
    "fetcher.measure",
    "fetcher.changes",
    "fetcher.deliver",
    "fetcher.sync",
    "fetcher.site",
)

STATUSES = tuple(
    str(status)
    for status in (
        *(200, 202, 204, 301, 302, 303, 304, 307, 308),
        *(400, 401, 403, 404, 406, 408, 409, 410, 422, 429, 451),
        *(500, 502, 503, 504),
    )
)
"""Status codes expected from GitHub and package indexes; other codes are counted as ``other``."""

CLASSES = ("2xx", "3xx", "4xx", "5xx", "none")


class HookResult(StrEnum):
    """The result of a forge's webhook."""

    ACCEPTED = "accepted"
    """Its hint waits, and a worker has a message."""
    COLLAPSED = "collapsed"
    """Its hint joined others that wait for the same worker."""
    REPLAYED = "replayed"
    """The delivery was known."""
    LIMITED = "limited"
    """Too many came within a minute, or wait."""
    IGNORED = "ignored"
    """The event has no effect, such as a ping."""
    UNREADABLE = "unreadable"
    """It is signed, but no event of the forge."""
    REJECTED = "rejected"
    """The signature is missing or wrong."""


@dataclass(frozen=True, slots=True)
class Label:
    """A label and its values, except ``other``. An ``open`` one has those of further configured upstreams as well."""

    name: str
    values: frozenset[str]
    open: bool = False

    def of(self, value: str) -> str:
        return value if self.open or value in self.values else OTHER

    def has(self, value: str) -> bool:
        """Return whether the label can have this value."""
        return self.open or value in self.values or value == OTHER


def _label(name: str, values: Iterable[str]) -> Label:
    return Label(name, frozenset(map(str, values)))


UPSTREAM = Label("upstream", frozenset(kind.name for kind in KINDS), open=True)
ROUTE = Label("route", frozenset(route for kind in KINDS for route in kind.routes), open=True)
"""Names in requests. The upstreams' own code states them, never a response, so they are few."""
STATUS = _label("status", [*STATUSES, *Fault])
CLASS = _label("status_class", CLASSES)
SOURCE = _label("source", Source)
OUTCOME = _label("outcome", tuple(OutcomeKind))
PURPOSE = _label("purpose", Purpose)
CAUSE = _label("cause", PauseLabel)
TASK = _label("task", TASKS)
STATE = _label("state", TaskState)
FORGE = _label("forge", ("forgejo", "github", "gitlab"))
HOOK_RESULT = _label("result", HookResult)
WEBHOOK_RESULT = _label("result", ("delivered", "retried", "unreachable", "disabled"))
KIND = _label("kind", ChangeKind)


@dataclass(frozen=True, slots=True)
class Counter:
    """A sum that only grows. ``name`` excludes Prometheus's suffix ``_total``."""

    name: str
    help: str
    labels: tuple[Label, ...] = ()


@dataclass(frozen=True, slots=True)
class Histogram:
    """A distribution of observed values. ``bounds`` are the buckets' upper bounds, without ``+Inf``."""

    name: str
    help: str
    labels: tuple[Label, ...]
    bounds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Gauge:
    """The last value set by any worker; ``name`` ends with its unit."""

    name: str
    help: str
    labels: tuple[Label, ...] = ()


Counted: TypeAlias = Counter | Histogram | Gauge

_REQUEST_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 120.0)
_LAG_SECONDS = (15, 30, 60, 90, 120, 180, 240, 300, 360, 480, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400, 604800)
_TASK_SECONDS = (0.05, 0.25, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0)

REQUESTS = Counter(
    "fetcher_requests",
    "Requests sent, by status code or transport error.",
    (UPSTREAM, ROUTE, STATUS),
)
POINTS = Counter("fetcher_spent_points", "Points of the quota that requests spent.", (UPSTREAM, ROUTE))
REQUESTED_PACKAGES = Counter(
    "fetcher_requested_packages",
    "Packages in successful requests that many packages share.",
    (UPSTREAM, ROUTE),
)
REQUEST_SECONDS = Histogram(
    "fetcher_request_duration_seconds",
    "Time from sending a request to the last byte of its response.",
    (UPSTREAM, ROUTE, CLASS),
    _REQUEST_SECONDS,
)
PAUSES = Counter(
    "fetcher_pauses",
    "Responses that paused all requests of the shared quota, by cause.",
    (CAUSE, UPSTREAM),
)
REFRESHES = Counter(
    "fetcher_refreshes",
    "Sources of packages fetched, confirmed without a request, or deferred for quota, by outcome.",
    (SOURCE, OUTCOME),
)
BATCH_PACKAGES = Histogram(
    "fetcher_batch_packages",
    "Packages refreshed by one batch.",
    (PURPOSE,),
    (1, 2, 5, 10, 25, 50, 75, 100),
)
TASK_SECONDS = Histogram(
    "fetcher_task_duration_seconds",
    "Run time of a task.",
    (TASK,),
    _TASK_SECONDS,
)
COMPLETED_TASKS = Counter("fetcher_tasks", "Tasks completed, by result.", (TASK, STATE))
WEBHOOKS = Counter("fetcher_webhook_attempts", "Attempts to deliver a webhook, by result.", (WEBHOOK_RESULT,))
HOOKS = Counter("fetcher_hooks", "Webhooks of forges, by result.", (FORGE, HOOK_RESULT))
LEASES_EXPIRED = Counter("fetcher_leases_expired", "Leases that expired because their worker did not release them.")
DEPRECATED_RESPONSES = Counter(
    "fetcher_deprecated_responses",
    "Responses that announced the end of the API version in use (Deprecation or Sunset).",
    (ROUTE,),
)
SUNSET = Gauge(
    "fetcher_sunset_timestamp_seconds",
    "Unix time at which the upstream stops serving the API version, by the last Sunset header.",
    (ROUTE,),
)

CHANGE_LAG = Histogram(
    "fetcher_change_lag_seconds",
    "Time from a change at its upstream to its stored value.",
    (KIND,),
    _LAG_SECONDS,
)

COUNTED: Final[tuple[Counted, ...]] = (
    REQUESTS,
    POINTS,
    REQUESTED_PACKAGES,
    REQUEST_SECONDS,
    PAUSES,
    REFRESHES,
    BATCH_PACKAGES,
    TASK_SECONDS,
    COMPLETED_TASKS,
    WEBHOOKS,
    HOOKS,
    LEASES_EXPIRED,
    DEPRECATED_RESPONSES,
    SUNSET,
    CHANGE_LAG,
)
