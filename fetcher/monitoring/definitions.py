"""Every figure that workers add up, with its labels. Each label has a closed set of values: series cannot multiply."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from fetcher.domain.model import OutcomeKind, Purpose, Source, Upstream
from fetcher.http.messages import Fault, Resource, Route

OTHER: Final = "other"
"""What a value that no label knows is counted as."""


class PauseCause(StrEnum):
    """Why an upstream is left alone for a while."""

    QUOTA = "quota"
    """The primary quota is used up: until its reset."""
    TOLD = "told"
    """It named the pause itself (``retry-after``)."""
    UNTOLD = "untold"
    """It refused the pace without saying for how long."""
    REJECTED = "rejected"
    """It does not accept the credential."""


class TaskEnd(StrEnum):
    DONE = "done"
    FAILED = "failed"


TASKS = (
    "fetcher.plan",
    "fetcher.refresh_batch",
    "fetcher.refresh_packages",
    "fetcher.refresh_requests",
    "fetcher.serials",
    "fetcher.verify",
    "fetcher.expire",
    "fetcher.prune",
    "fetcher.measure",
)

STATUSES = tuple(
    str(status)
    for status in (
        *(200, 202, 204, 301, 302, 303, 304, 307, 308),
        *(400, 401, 403, 404, 406, 408, 409, 410, 422, 429, 451),
        *(500, 502, 503, 504),
    )
)
"""What GitHub and package indexes are known to answer; any other status is counted as ``other``."""

CLASSES = ("2xx", "3xx", "4xx", "5xx", "none")


@dataclass(frozen=True, slots=True)
class Label:
    """A label and all the values that it can have, beside ``other``."""

    name: str
    values: frozenset[str]

    def of(self, value: str) -> str:
        return value if value in self.values else OTHER


def _label(name: str, values: Iterable[str]) -> Label:
    return Label(name, frozenset(map(str, values)))


UPSTREAM = _label("upstream", Upstream)
RESOURCE = _label("resource", Resource)
ROUTE = _label("route", Route)
STATUS = _label("status", [*STATUSES, *Fault])
CLASS = _label("status_class", CLASSES)
SOURCE = _label("source", Source)
OUTCOME = _label("outcome", tuple(OutcomeKind))
PURPOSE = _label("purpose", Purpose)
CAUSE = _label("cause", PauseCause)
TASK = _label("task", TASKS)
END = _label("end", TaskEnd)


@dataclass(frozen=True, slots=True)
class Counter:
    """A sum that only grows; ``name`` is without Prometheus's ``_total``."""

    name: str
    help: str
    labels: tuple[Label, ...] = ()


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often a figure came to how much; ``bounds`` are the buckets' upper ends, without the last, infinite one."""

    name: str
    help: str
    labels: tuple[Label, ...]
    bounds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Gauge:
    """The value that any worker saw last; ``name`` ends with its unit."""

    name: str
    help: str
    labels: tuple[Label, ...] = ()


Counted: TypeAlias = Counter | Histogram | Gauge

_REQUEST_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 120.0)
_TASK_SECONDS = (0.05, 0.25, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0)

REQUESTS = Counter(
    "fetcher_requests",
    "Requests sent, by what came back: the status, or why nothing did.",
    (UPSTREAM, ROUTE, STATUS),
)
REQUEST_SECONDS = Histogram(
    "fetcher_request_duration_seconds",
    "Time from sending a request to the last byte of its answer.",
    (UPSTREAM, ROUTE, CLASS),
    _REQUEST_SECONDS,
)
PAUSES = Counter(
    "fetcher_pauses",
    "Answers that told everybody who shares the quota to be silent for a while.",
    (RESOURCE, CAUSE),
)
REFRESHES = Counter(
    "fetcher_refreshes",
    "Sources of packages that were asked, confirmed or put off for want of quota, by what it came to.",
    (SOURCE, OUTCOME),
)
BATCH_PACKAGES = Histogram(
    "fetcher_batch_packages",
    "Packages that one batch refreshed.",
    (PURPOSE,),
    (1, 2, 5, 10, 25, 50, 75, 100),
)
TASK_SECONDS = Histogram(
    "fetcher_task_duration_seconds",
    "Time that a worker spent on a task.",
    (TASK,),
    _TASK_SECONDS,
)
TASK_ENDS = Counter("fetcher_tasks", "Tasks that ended, by how.", (TASK, END))
LEASES_EXPIRED = Counter("fetcher_leases_expired", "Leases that their holder never ended, and that were taken back.")
DEPRECATED_RESPONSES = Counter(
    "fetcher_deprecated_responses",
    "Responses of GitHub that announced the end of its API version (Deprecation or Sunset).",
    (ROUTE,),
)
SUNSET = Gauge(
    "fetcher_sunset_timestamp_seconds",
    "When GitHub stops serving the API version, by the last Sunset header.",
    (ROUTE,),
)

COUNTED: Final[tuple[Counted, ...]] = (
    REQUESTS,
    REQUEST_SECONDS,
    PAUSES,
    REFRESHES,
    BATCH_PACKAGES,
    TASK_SECONDS,
    TASK_ENDS,
    LEASES_EXPIRED,
    DEPRECATED_RESPONSES,
    SUNSET,
)
