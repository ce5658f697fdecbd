"""``fetcher failures``: failures are kept in full, grouped, retried on demand, and never dropped."""

from __future__ import annotations

import json

import pytest

from fetcher.cli.failures import grouped_by_kind
from fetcher.domain.model import FailureRow, Source, SourceState
from fetcher.simulator import changes
from fetcher.simulator.faults import Kind, Rule
from fetcher.simulator.server import Simulator
from tests.harness.clock import HOUR, NOW
from tests.harness.seeds import SEEDS
from tests.integration.conftest import Fetcher

GONE, BROKEN = "lesscpy", ("django-loci", "django-vies")


@pytest.fixture
def failing(fetcher: Fetcher, simulator: Simulator) -> Fetcher:
    """Import and refresh the five seeds; one repository is missing, and two projects return HTML."""
    assert fetcher("import", str(SEEDS)).status == 0
    changes.delete(simulator.world, "lesscpy/lesscpy")
    for project in BROKEN:
        simulator.faults.add(Rule(kind=Kind.HTML, route="project_json", package=project))
    fetcher("refresh", "--all")
    return fetcher


def test_every_failure_is_reported_in_full(failing: Fetcher) -> None:
    """Each failure has its outcome, message, first and last time, count and next try, by package and source."""
    listed = json.loads(failing("failures", "--json").out)

    assert [(one["slug"], one["source"], one["outcome"]) for one in listed] == [
        (BROKEN[0], "index", "malformed"),
        (BROKEN[1], "index", "malformed"),
        (GONE, "repository", "missing"),
    ]
    for one in listed:
        assert one["failures"] == 1
        assert one["first_failed_at"] == one["last_failed_at"] < one["next_try"]
        assert one["message"]


def test_failures_are_grouped(failing: Fetcher) -> None:
    """Each kind of failure is one line, the most frequent first. A line for each package follows unless omitted."""
    groups = json.loads(failing("failures", "--groups", "--json").out)
    short, full = failing("failures", "--groups").out, failing("failures").out

    assert [(one["outcome"], one["source"], one["packages"]) for one in groups] == [
        ("malformed", "index", 2),
        ("missing", "repository", 1),
    ]
    for text in (short, full):  # the ages differ: the second command ran later
        counted = [line.split()[:3] for line in text.splitlines() if line.startswith(("malformed", "missing"))]
        assert counted == [["malformed", "index", "2"], ["missing", "repository", "1"]]
        assert all(word in text for word in ("times", "since", "last", "next try", "in ", "ago", "text/html"))
    assert all(f"\n{slug} " in full and f"\n{slug} " not in short for slug in (GONE, *BROKEN))


def test_a_second_failure_counts_and_an_answer_ends_them(failing: Fetcher, simulator: Simulator) -> None:
    """``retry`` requests at once, and the count grows until a success removes the failure."""
    first = json.loads(failing("failures", "--json").out)
    failing("failures", "retry", GONE)
    second = json.loads(failing("failures", "--json").out)
    simulator.faults.clear()
    failing("failures", "retry", *BROKEN)
    third = json.loads(failing("failures", "--json").out)

    assert [one["failures"] for one in second] == [1, 1, 2]
    assert second[2]["first_failed_at"] == first[2]["first_failed_at"] < second[2]["last_failed_at"]
    assert [one["slug"] for one in third] == [GONE]


def test_the_values_of_a_group() -> None:
    """A group has its earliest first time, latest last time, earliest next try and most frequent message."""
    alike = [_state(1, "a", 1), _state(5, "b", 3), _state(2, "b", 2)]
    (group,) = grouped_by_kind(FailureRow(f"p-{number}", state) for number, state in enumerate(alike))

    assert (group.packages, group.failures, group.message) == (3, 5, "b")
    assert group.first_failed_at == NOW - 3 * HOUR
    assert group.last_failed_at == NOW - HOUR / 3
    assert group.next_try == NOW + HOUR


def test_a_failure_without_a_reason_yet() -> None:
    """A throttled source has neither a time nor a reason, and is grouped as well."""
    (group,) = grouped_by_kind([FailureRow("a", SourceState(Source.INDEX, outcome="throttled"))])

    assert (group.first_failed_at, group.last_failed_at, group.next_try, group.message) == (None, None, None, None)


def _state(failures: int, message: str, hours: int) -> SourceState:
    return SourceState(
        Source.INDEX,
        failures=failures,
        message=message,
        outcome="transient",
        first_failed_at=NOW - hours * HOUR,
        last_failed_at=NOW - HOUR / hours,
        due_at=NOW + hours * HOUR,
    )
