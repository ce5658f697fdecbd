"""``fetcher failures``: failures are kept in full, grouped, retried on demand, and never dropped."""

from __future__ import annotations

import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from fcntl import ioctl

import pytest

from fetcher.cli.failures import grouped_by_kind
from fetcher.domain.model import FailureRow, Source, SourceState
from fetcher.simulator import changes
from fetcher.simulator.faults import Kind, Rule
from fetcher.simulator.server import Simulator
from tests.harness.clock import HOUR, NOW
from tests.harness.seeds import SEEDS
from tests.harness.stack import environment
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
        lines = [line.split() for line in text.splitlines() if re.match(r"(malformed|missing) ", line)]
        counted = [line[:4] for line in lines if line[3].isdecimal()]
        assert counted == [["malformed", "pypi", "index", "2"], ["missing", "github", "repository", "1"]]
        (headings,) = [line for line in text.splitlines() if line.startswith("outcome ")]
        places = [headings.index(f" {word} ") + 1 for word in ("upstream", "source")]
        (missing,) = [line for line in text.splitlines() if re.match(r"missing +github +repository +1 ", line)]
        assert [missing[place:].split()[0] for place in places] == ["github", "repository"]
        assert all(word in text for word in ("times", "since", "last", "next try", "in ", "ago", "text/html"))
    assert all(f"\n{slug} " in full and f"\n{slug} " not in short for slug in (GONE, *BROKEN))


def test_a_failure_is_one_line_a_package(failing: Fetcher) -> None:
    """A line states slug, kind and times, and an indented one the source and its reason, which is not cut in a pipe."""
    lines = failing("failures").out.splitlines()
    reasons = {one["slug"]: one["message"] for one in json.loads(failing("failures", "--json").out)}

    assert lines[0] == "3 packages failing, in 3 sources"
    for slug, reason in reasons.items():
        (at,) = [number for number, line in enumerate(lines) if line.startswith(f"{slug} ")]
        next_try = "next try (in|due, waiting for) "  # the pause is two seconds of the compressed time
        assert re.match(rf"{slug} (malformed|missing), since .+ ago, {next_try}", lines[at])
        assert lines[at + 1].startswith("    ")
        assert lines[at + 1].endswith(reason)
    assert max(map(len, reasons.values())) > 40


def test_on_a_narrow_terminal(failing: Fetcher) -> None:
    """At 80 columns every reason is complete, and each line about a package begins with its slug."""
    rows = [line for line in _on_a_terminal(failing, "failures").splitlines() if line.strip()]
    text = " ".join(" ".join(rows).split())

    for one in json.loads(failing("failures", "--json").out):
        assert " ".join(one["message"].split()) in text
        assert any(row.startswith(f"{one['slug']} ") for row in rows)


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


def _on_a_terminal(fetcher: Fetcher, *arguments: str) -> str:
    """Return the output of a command on a terminal of 80 columns, without its control sequences."""
    ours, terminal = pty.openpty()
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    settings = {**environment(**fetcher.settings), "TERM": "xterm"}
    command = [sys.executable, "-m", "fetcher", *arguments]
    with subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, env=settings) as running:
        os.close(terminal)
        read = b""
        try:
            while found := os.read(ours, 65_536):
                read += found
        except OSError:  # Linux reports the end of a terminal as an error
            pass
        finally:
            os.close(ours)
        assert running.wait() == 0
    return re.sub(r"\x1b\[[0-9;]*m", "", read.decode()).replace("\r", "")
