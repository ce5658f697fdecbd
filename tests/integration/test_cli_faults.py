"""Faults of the machine or of the settings: one line that names the fault and a remedy, without a secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fetcher.ports import PLANNED, Checkpoint
from fetcher.simulator.server import Simulator
from tests.harness.loopback import LoopbackServer, Received, Reply
from tests.harness.seeds import SEEDS
from tests.harness.stack import Stack, simulated, stack
from tests.integration.conftest import Fetcher

CLOSED = "127.0.0.1:9"
SECRET = "hunter2"
NO_DATABASE = f"postgresql://fetcher:{SECRET}@{CLOSED}/fetcher"
NO_REDIS = f"redis://:{SECRET}@{CLOSED}/0"


@pytest.fixture
def ours(tmp_path: Path, simulator: Simulator) -> Iterator[Stack]:
    """Provide commands as processes of their own, because Celery reads its settings once."""
    with stack(tmp_path, **simulated(simulator)) as made:
        yield made


@pytest.mark.parametrize(
    "command",
    ["show lesscpy", "status", "failures", "refresh --all", f"import {SEEDS}", "add https://github.com/a/b", "up"],
)
def test_no_database(bare: Fetcher, command: str) -> None:
    """An unreachable server is named without its password, and with a remedy."""
    complaint = bare(*command.split(), database_url=NO_DATABASE).complaint

    assert complaint == (
        f"the database postgresql://fetcher:***@{CLOSED}/fetcher cannot be reached. "
        "Check that it runs and that FETCHER_DATABASE_URL is right"
    )


@pytest.mark.parametrize(
    "url", [f"postgresql//u:{SECRET}@h/x", f"mysql://u:{SECRET}@h/x", f"postgresql://u:{SECRET}@h:x/"]
)
@pytest.mark.parametrize("command", ["status", "db upgrade"])
def test_a_malformed_database_address(bare: Fetcher, url: str, command: str) -> None:
    """A wrong address, database or port is reported with the expected form, without the password."""
    complaint = bare(*command.split(), database_url=url).complaint

    assert complaint.endswith("Expected sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME in FETCHER_DATABASE_URL")
    assert SECRET not in complaint


def test_a_database_that_is_not_migrated(bare: Fetcher, empty_postgres_url: str) -> None:
    """Commands name the migration command, which may run twice; afterwards they work."""
    bare.settings["database_url"] = empty_postgres_url

    before = [bare(*command).complaint for command in (["status"], ["show", "a"], ["refresh", "--all"], ["up"])]
    upgrades = [bare("db", "upgrade") for _ in range(2)]
    after = bare("status", "--json")

    assert all(complaint.endswith("Check FETCHER_DATABASE_URL, or run `fetcher db upgrade`") for complaint in before)
    assert [done.status for done in upgrades] == [0, 0]
    assert "(was empty)" in upgrades[0].err
    assert "already" in upgrades[1].err
    assert json.loads(after.out)["packages"] == 0


def test_status_without_redis(bare: Fetcher) -> None:
    """The values of the database are printed, and one line with the reason for the rest, without the password."""
    bare("import", str(SEEDS))

    done = bare("status", redis_url=NO_REDIS)

    assert done.status == 0
    assert done.out.startswith("5 packages")
    assert "Redis cannot be reached" in done.out
    assert SECRET not in done.out + done.err


@pytest.mark.parametrize("command", ["refresh --all", "up"])
def test_no_redis(bare: Fetcher, command: str) -> None:
    """An unreachable Redis is reported in one line without its password."""
    bare("import", str(SEEDS))

    complaint = bare(*command.split(), redis_url=NO_REDIS).complaint

    assert complaint.startswith("Redis cannot be reached")
    assert "FETCHER_REDIS_URL" in complaint
    assert SECRET not in complaint


@pytest.mark.parametrize("command", ["refresh --all", "status", "up"])
def test_a_malformed_redis_address(bare: Fetcher, command: str) -> None:
    """A malformed address is reported without its text, which may contain a password."""
    bare("import", str(SEEDS))

    complaint = bare(*command.split(), redis_url=f"redis//:{SECRET}@h").complaint

    assert complaint.startswith("FETCHER_REDIS_URL")
    assert "redis://" in complaint
    assert SECRET not in complaint


@pytest.mark.parametrize("command", ["refresh a --queue", "queues"])
def test_no_broker(ours: Stack, bare: Fetcher, command: str) -> None:
    """Commands that use Celery print the same error in one line."""
    bare("add", "https://github.com/a/a", data_dir=ours.settings.data_dir)

    done = ours.fetcher(*command.split(), redis_url=NO_REDIS)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: Redis cannot be reached")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert SECRET not in done.stderr


@pytest.mark.parametrize("command", ["queues", "status"])
def test_a_wrong_setting_of_a_command_that_uses_celery(bare: Fetcher, command: str) -> None:
    """The error has the form of a command, also in a pipe; a worker would print a JSON object."""
    done = bare(command, redis_url=f"redis://127.0.0.1/0?{SECRET}")

    assert done.err.startswith('error: FETCHER_REDIS_URL: has an option after "?"')
    assert SECRET not in done.complaint


def test_a_data_folder_that_cannot_be_made(bare: Fetcher, tmp_path: Path) -> None:
    """If a file has the folder's path, `up` and every other command report it and the setting to change."""
    (tmp_path / "file").write_text("")

    for command in (["up"], ["status"], ["import", str(SEEDS)]):
        complaint = bare(*command, data_dir=tmp_path / "file" / "data").complaint
        assert str(tmp_path / "file") in complaint
        assert "folder" in complaint


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("time_zone", "Mars/Olympus", "FETCHER_TIME_ZONE"),
        ("workers", "many", "FETCHER_WORKERS"),
        ("lease", "-1", "FETCHER_LEASE"),
        ("github_api_url", "github", "FETCHER_GITHUB_API_URL"),
        ("log_level", "LOUD", "FETCHER_LOG_LEVEL"),
    ],
)
def test_settings_that_are_wrong(bare: Fetcher, name: str, value: str, message: str) -> None:
    """The error names the variable and the fault."""
    assert bare("status", **{name: value}).complaint.startswith(message)


def test_a_port_in_use(bare: Fetcher, simulator: Simulator) -> None:
    """The simulator does not start on a port in use, and suggests another one."""
    port = simulator.url.rpartition(":")[2]

    done = bare("simulate", "--port", port)

    assert (done.status, done.out) == (1, "")
    assert len(done.err.splitlines()) == 1
    assert f"cannot listen on 127.0.0.1:{port}" in done.err
    assert "try another --port" in done.err


def test_doctor_is_content(fetcher: Fetcher) -> None:
    """Every dependency of Fetcher is checked and in order."""
    done = fetcher("doctor", "--json")

    assert done.status == 0, done.out
    found = json.loads(done.out)
    assert [one["name"] for one in found] == [
        "database",
        "redis",
        "token",
        "pypi",
        "clock",
        "beat",
        "workers",
        "merges",
    ]
    assert all(one["ok"] for one in found)


def test_doctor_names_each_fault_and_its_remedy(fetcher: Fetcher) -> None:
    """With faults of database, Redis, token and index, each line fails with a remedy and without a secret."""
    done = fetcher(
        "doctor",
        "--json",
        database_url=NO_DATABASE,
        redis_url=NO_REDIS,
        github_token=SECRET,
        pypi_url=f"http://{CLOSED}",
    )

    found = {one["name"]: one for one in json.loads(done.out)}
    assert done.status == 1
    failing = {name for name, one in found.items() if not one["ok"]}
    assert failing == {"database", "redis", "token", "pypi", "beat", "workers"}
    assert all(one["ok"] or one["remedy"] for one in found.values())
    assert SECRET not in done.out + done.err


def test_doctor_reports_missing_workers(ours: Stack, redis_url: str) -> None:
    """After a first plan, beat and workers that are missing fail, as for ``/readyz``. Before it they do not."""
    assert ours.fetcher("doctor", redis_url=redis_url).returncode == 0
    ours.store.checkpoints.save(Checkpoint(PLANNED, observed_at=datetime.now(UTC) - timedelta(hours=2)))

    done = ours.fetcher("doctor", "--json", redis_url=redis_url)

    found = {one["name"]: one for one in json.loads(done.stdout)}
    assert done.returncode == 1
    assert {name for name, one in found.items() if not one["ok"]} == {"beat", "workers"}
    assert found["beat"]["message"].startswith("nothing was planned for 2 h")
    assert found["workers"]["message"] == "no worker responded within a second"
    assert "celery --quiet -A tasks worker" in found["workers"]["remedy"]


def test_doctor_finds_a_wrong_index_root(fetcher: Fetcher, simulator: Simulator) -> None:
    """An address without an index below it fails, with the form that is expected."""
    done = fetcher("doctor", "--json", pypi_url=f"{simulator.pypi_url}/nowhere")

    found = {one["name"]: one for one in json.loads(done.out)}
    assert {name for name, one in found.items() if not one["ok"]} == {"pypi"}
    assert "neither /pypi/NAME/json nor /simple/ is below it" in found["pypi"]["message"]
    assert found["pypi"]["remedy"] == "Set FETCHER_PYPI_URL to the address before /simple/"


def test_doctor_reports_settings(fetcher: Fetcher, simulator: Simulator) -> None:
    """A misspelt variable fails with the nearest setting. pip's form of the index's address is accepted with a hint."""
    done = fetcher("doctor", "--json", pypi_url=f"{simulator.pypi_url}/simple/", lese="5")

    misspelt, hint, *rest = json.loads(done.out)
    assert done.status == 1
    assert (misspelt["name"], misspelt["ok"]) == ("settings", False)
    assert misspelt["message"] == "FETCHER_LESE is not a setting: did you mean FETCHER_LEASE?"
    assert hint["ok"]
    assert "ends in /simple" in hint["message"]
    assert all(one["ok"] for one in rest)


def test_every_command_warns_of_a_misspelt_variable(bare: Fetcher) -> None:
    """The warning is one line on stderr, and not an error."""
    for command in ("status", "settings"):
        done = bare(command, refesh_interval="5")
        assert done.status == 0
        assert done.err == (
            "warning: FETCHER_REFESH_INTERVAL is not a setting: did you mean FETCHER_REFRESH_INTERVAL?\n"
        )


def test_status_of_a_dead_installation(bare: Fetcher) -> None:
    """Without beat and workers nothing keeps up. Only ``--check`` makes that the exit status."""
    bare("import", str(SEEDS))

    text, checked = bare("status"), bare("status", "--check")
    found = json.loads(bare("status", "--json").out)

    assert (text.status, checked.status) == (0, 1)
    assert "keeps up" not in text.out
    assert "stopped" in text.out
    assert found["running"] is False
    assert found["database"] in text.out
    assert found["database"].endswith("/data/fetcher.db")


@pytest.mark.parametrize(("sunset", "status"), [("@4102444800", 0), ("Mon, 10 Mar 2025 00:00:00 GMT", 1)])
def test_doctor_reports_an_announced_end(fetcher: Fetcher, sunset: str, status: int) -> None:
    """``Sunset`` of GitHub's response is in order until its date, and a failure with a remedy from then on."""
    with _ending(sunset) as root:
        done = fetcher("doctor", "--json", github_api_url=root)

    found = {one["name"]: one for one in json.loads(done.out)}
    assert done.status == status
    assert found["token"]["ok"]
    assert found["api"]["ok"] == (status == 0)
    assert ("2100-01-01" if status == 0 else "2025-03-10") in found["api"]["message"]
    assert found["api"]["remedy"] == ("" if status == 0 else "Install a newer Fetcher")


@contextmanager
def _ending(sunset: str) -> Iterator[str]:
    """Serve a GitHub whose every response announces the end of its API version; yield its root."""

    class Ending(LoopbackServer):
        def reply(self, request: Received) -> Reply:
            return Reply(headers={"Content-Type": "application/json", "Sunset": sunset}, body=b"{}")

    with Ending() as server:
        yield server.url


def test_doctor_without_any_upstream(bare: Fetcher) -> None:
    """Without a network, every check that needs one fails in plain lines with an arrow to the remedy."""
    done = bare("doctor")

    assert done.status == 1
    assert done.err == ""
    assert done.out.count("fail ") == done.out.count("→ ") == 3
