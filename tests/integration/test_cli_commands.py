"""Every command without faults: results on stdout, the rest on stderr, and JSON that parses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fetcher import __version__
from fetcher.simulator.faults import Kind, Rule
from fetcher.simulator.server import Simulator
from tests.harness.seeds import SEEDS
from tests.harness.stack import Stack, simulated, stack
from tests.integration.conftest import Fetcher

COMMANDS = (
    "import",
    "add",
    "refresh",
    "show",
    "status",
    "queues",
    "failures",
    "doctor",
    "up",
    "simulate",
    "demo",
    "db",
)


@pytest.fixture
def seeded(fetcher: Fetcher) -> Fetcher:
    """Import the five seeds."""
    assert fetcher("import", str(SEEDS)).status == 0
    return fetcher


def test_help_names_every_command(bare: Fetcher) -> None:
    """`fetcher --help` names every command, and each command has help of its own."""
    shown = bare("--help")

    assert shown.status == 0
    for command in COMMANDS:
        assert command in shown.out
        assert bare(command, "--help").status == 0
    assert bare("--version").out == f"fetcher {__version__}\n"


def test_refresh_writes_progress_to_stderr_alone(seeded: Fetcher) -> None:
    """A pipe receives nothing of the bar, and the last line summarises the result."""
    done = seeded("refresh", "--all")

    assert (done.status, done.out) == (0, "")
    assert "5/5" in done.err
    assert done.err.splitlines()[-1] == "refreshed 5 of 5 packages"


def test_refresh_for_scripts(seeded: Fetcher, simulator: Simulator) -> None:
    """`--json` prints each package once: refreshed, failed with its message, or still open."""
    simulator.faults.add(Rule(kind=Kind.STATUS, status=451, route="project_json", package="lesscpy"))
    done = seeded("refresh", "django-vies", "lesscpy", "--json")
    found = json.loads(done.out)
    assert done.status == 1
    assert found["refreshed"] == ["django-vies"]
    (failure,) = found["failed"]
    assert (failure["slug"], failure["source"], failure["outcome"]) == ("lesscpy", "index", "blocked")
    assert "451" in failure["message"]
    assert (found["open"], found["nothing_to_fetch"], found["stopped"]) == ([], [], None)


def test_refresh_of_due_packages(seeded: Fetcher, simulator: Simulator) -> None:
    """All sources are due after an import, and none after the refresh, so that nothing more is requested."""
    first = seeded("refresh", "--due")
    asked = simulator.log.count()
    second = seeded("refresh", "--due")

    assert first.err.splitlines()[-1] == "refreshed 5 of 5 packages"
    assert (second.status, second.err) == (0, "nothing is due\n")
    assert simulator.log.count() == asked


@pytest.mark.parametrize("source", ["pypi", "github"])
def test_refresh_of_one_upstream(seeded: Fetcher, simulator: Simulator, source: str) -> None:
    """`--source` sends requests to this upstream only, for the named packages."""
    done = seeded("refresh", "lesscpy", "django-organizations", "--source", source)

    asked = {package for entry in simulator.log.entries for package in entry.packages}
    assert done.err.splitlines()[-1] == "refreshed 2 of 2 packages"
    assert {name.rpartition("/")[2] for name in asked} == {"lesscpy", "django-organizations"}
    assert {"project_json", "contributors"} & {entry.route for entry in simulator.log.entries} == (
        {"project_json"} if source == "pypi" else {"contributors"}
    )


@pytest.mark.parametrize("arguments", [[], ["lesscpy", "--all"], ["--all", "--due"]])
def test_refresh_wants_one_choice(bare: Fetcher, arguments: list[str]) -> None:
    """Without a choice, or with two at once, the error lists the choices."""
    assert "name the packages to refresh, or give one of --due and --all" in bare("refresh", *arguments).complaint


@pytest.mark.parametrize("command", ["show nobody", "refresh nobody lesscpy", "refresh nobody --source pypi"])
def test_an_unknown_slug(bare: Fetcher, command: str) -> None:
    """The error names the slug and a remedy, and no request is sent."""
    bare("import", str(SEEDS))

    assert bare(*command.split()).complaint.startswith("no package is called nobody. ")


def test_show_as_a_table(seeded: Fetcher) -> None:
    """Every value is shown with its source, and releases with their defects."""
    seeded("refresh", "lesscpy")

    table, releases = seeded("show", "lesscpy"), seeded("show", "lesscpy", "--releases")

    assert (table.status, table.err) == (0, "")
    for word in ("144", "robotis", "0.15.1", "commits", "contributors", "pypi", "editors"):
        assert word in table.out
    assert "yanked: uploaded by mistake" in releases.out


def test_status_and_failures_for_scripts(seeded: Fetcher) -> None:
    """JSON has the counts of every source and an empty list of failures; the text has the same."""
    seeded("refresh", "--all")

    status, failures = json.loads(seeded("status", "--json").out), seeded("failures", "--json")

    assert status["packages"] == 5
    assert {one["source"]: one["answered"] for one in status["sources"]} == dict.fromkeys(
        ("repository", "contributors", "commits", "index"), 5
    )
    assert json.loads(failures.out) == []
    assert seeded("status").out.startswith("5 packages: 5 fresh\n")
    assert seeded("failures").out == "nothing fails\n"


@pytest.fixture
def ours(tmp_path: Path, simulator: Simulator, redis_url: str) -> Iterator[Stack]:
    """Provide commands as processes of their own, over a real Redis."""
    with stack(tmp_path, **simulated(simulator), redis_url=redis_url) as made:
        made.import_seeds()
        yield made


def test_queues_report_a_missing_consumer(ours: Stack) -> None:
    """Messages queued without a worker are counted, and the exit status 1 shows that no worker will take them."""
    queued = ours.fetcher("refresh", "lesscpy", "--queue")
    queues = ours.fetcher("queues", "--json")

    assert (queued.returncode, queued.stdout.split()[0]) == (0, "lesscpy")
    assert queued.stderr.startswith("queued 1 package;")
    assert queues.returncode == 1
    assert {one["name"]: one["waiting"] for one in json.loads(queues.stdout)} == {
        "manual": 1,
        "background": 0,
        "maintenance": 0,
        "webhooks": 0,
    }
    assert queues.stderr.startswith('error: queue "manual" has ')
