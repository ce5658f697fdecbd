"""``fetcher up`` as users run it: one command, one folder, and no process left afterwards."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import socket
import subprocess
import termios
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fetcher.data_folder import open_permissions
from fetcher.ops.embedded_redis import EmbeddedRedis
from fetcher.ops.up import spawn
from fetcher.simulator.server import Simulator
from tests.harness.processes import BIN, ENDS_WITHIN, Child, children_of, is_alive
from tests.harness.seeds import FORGE_DOCUMENTS, SEEDS
from tests.harness.stack import Stack, simulated, stack

RUNNING = "Ctrl-C stops it"
PACKAGES = 5


@pytest.fixture
def ours(tmp_path: Path, simulator: Simulator) -> Iterator[Stack]:
    """Import the five seeds. A kill may lose a claimed batch, which becomes due again when its lease ends."""
    with stack(tmp_path, **simulated(simulator), plan_interval=1, lease=30) as made:
        made.import_seeds()
        yield made


def test_up_refreshes_until_ctrl_c(ours: Stack) -> None:
    """All sources of all packages respond, and SIGINT ends every process with status 0 and keeps the stored values."""
    up = _up(ours)
    ours.until(lambda: ours.answered(PACKAGES), "every source of every package answers")
    family = children_of(up.pid)
    up.signal(signal.SIGINT)

    assert up.wait() == 0, up.output()
    assert len(family) >= 4  # Redis, two workers and beat
    assert [pid for pid in family if is_alive(pid)] == []
    assert up.stdout.read_text("utf-8") == ""
    assert json.loads(up.output().splitlines()[-1])["event"] == "stopped; queued work is saved"
    assert ours.answered(PACKAGES)


def test_one_up_a_folder(ours: Stack) -> None:
    """A second one refuses in one line that names the first and a remedy; the first continues."""
    first = _up(ours)
    second = ours.fetcher("up")

    assert (second.returncode, second.stdout) == (1, "")
    (line,) = map(json.loads, second.stderr.splitlines())
    assert line["level"] == "error"
    assert line["event"] == (
        f"another `fetcher up` (process {first.pid}) already runs on {ours.settings.data_dir}. "
        "Stop it first, or set FETCHER_DATA_DIR to another folder"
    )
    assert first.runs()


@pytest.mark.slow
def test_up_after_a_kill(ours: Stack) -> None:
    """SIGKILL of the supervisor ends every process, Redis included; the next start continues with the same folder."""
    killed = _up(ours)
    family = children_of(killed.pid)
    killed.signal(signal.SIGKILL)
    killed.wait()
    ours.until(lambda: not any(map(is_alive, family)), "all processes of the killed one have ended")
    again = _up(ours)
    ours.until(lambda: ours.answered(PACKAGES), "every source of every package answers")
    again.signal(signal.SIGINT)

    assert again.wait() == 0, again.output()


@pytest.mark.slow
def test_a_silent_redis_ends_nothing(ours: Stack) -> None:
    """A suspended Redis is left alone while the supervisor restarts another process; then the pass is completed."""
    up = _up(ours)
    redis, manual = _pid(up, "redis"), _pid(up, "manual")
    os.kill(redis, signal.SIGSTOP)
    try:
        os.kill(manual, signal.SIGKILL)
        ours.until(lambda: "manual: restarted" in up.output(), "the worker is restarted")
    finally:
        os.kill(redis, signal.SIGCONT)
    ours.until(lambda: ours.answered(PACKAGES), "every source of every package answers")

    assert up.runs()
    assert "redis: exited" not in up.output()


@pytest.mark.slow
def test_a_killed_redis_is_started_again(ours: Stack) -> None:
    """Redis is replaced as the other processes are, and the pass is completed."""
    up = _up(ours)
    os.kill(_pid(up, "redis"), signal.SIGKILL)
    ours.until(lambda: "redis: restarted" in up.output(), "Redis is restarted")
    ours.until(lambda: ours.answered(PACKAGES), "every source of every package answers")

    assert "redis: exited with status -9" in up.output()
    assert up.runs()


def test_a_redis_that_was_left_running_is_ended(tmp_path: Path) -> None:
    """The next start ends the server on its own socket, and never another process by a stale process id."""
    embedded = EmbeddedRedis(tmp_path / "redis" / "redis.sock")
    left = spawn(embedded.program(), os.environ)
    embedded.wait(lambda: left.poll() is None)
    again = spawn(embedded.program(), os.environ)
    embedded.wait(lambda: again.poll() is None)
    assert left.poll() == 0
    again.send_signal(signal.SIGTERM)
    assert again.wait(ENDS_WITHIN) == 0

    with subprocess.Popen(["sleep", "600"]) as foreign:
        (tmp_path / "redis" / "valkey.pid").write_text(str(foreign.pid))
        embedded.program()
        assert foreign.poll() is None
        foreign.kill()


def test_ctrl_c_on_a_terminal(ours: Stack) -> None:
    """The terminal's SIGINT reaches the supervisor alone, so that no process loses its connection to Redis."""
    terminal, inner = pty.openpty()
    with subprocess.Popen(
        [str(BIN / "fetcher"), "up"],
        env=dict(ours.environment),
        stdin=inner,
        stdout=inner,
        stderr=inner,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  (the controlling terminal)
    ) as process:
        os.close(inner)
        output = _read_until(terminal, RUNNING)
        os.write(terminal, b"\x03")
        output += _read_until(terminal, None)
        status = process.wait()
    os.close(terminal)

    assert status == 0, output
    assert output.rstrip().endswith("stopped; queued work is saved"), output
    assert "broker" not in output.lower()
    assert "Traceback" not in output


@pytest.fixture
def no_umask() -> Iterator[None]:
    """Let new files be open to every user, as far as the umask decides."""
    former = os.umask(0)
    yield
    os.umask(former)


def test_a_foreign_folder(tmp_path: Path, simulator: Simulator, no_umask: None) -> None:
    """Modules of the working folder are not run, its name may have any characters, and no file is open to others."""
    folder = tmp_path / "a b ü"
    with stack(folder, **simulated(simulator), plan_interval=1) as ours:
        mark = folder / "was-here"
        for name in ("tasks", "schedules", "celery", "redis"):
            (folder / f"{name}.py").write_text(f"open({str(mark)!r}, 'w')\nraise SystemExit('foreign')\n", "utf-8")
        assert ours.fetcher("import", str(SEEDS)).returncode == 0
        _up(ours)
        ours.until(lambda: ours.answered(PACKAGES), "every source of every package answers")

        assert not mark.exists()
        assert open_permissions(ours.settings.data_dir) == []


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """One line names the port and the variable, and nothing is started."""
    with stack(tmp_path) as ours, socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = ours.fetcher("up", web_port=port)

        assert done.returncode == 1
        assert json.loads(done.stderr.splitlines()[-1])["event"] == (
            f"cannot listen on 127.0.0.1, port {port}: Address already in use. "
            "Set FETCHER_WEB_PORT to a free port, or to 0 for any"
        )
        assert "started" not in done.stderr


@pytest.mark.parametrize(("name", "reason"), [("file/data", "cannot be made"), ("~/data", "no home folder")])
def test_a_folder_that_cannot_be_made(tmp_path: Path, name: str, reason: str) -> None:
    """A folder that cannot be written, or a user without a home folder: one line with the variable."""
    (tmp_path / "file").touch()
    with stack(tmp_path) as ours:
        done = ours.fetcher("up", data_dir=tmp_path / name if name.startswith("file") else name)

    assert (done.returncode, done.stdout) == (1, "")
    event = json.loads(done.stderr.splitlines()[-1])["event"]
    assert reason in event
    assert event.endswith("Set FETCHER_DATA_DIR to a folder that this user may write")
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_crashed_worker_is_started_again(ours: Stack) -> None:
    """A killed worker is reported and replaced, and the pass is completed."""
    up = _up(ours)
    os.kill(_pid(up, "worker"), signal.SIGKILL)
    ours.until(lambda: "worker: restarted" in up.output(), "the worker is restarted")
    ours.until(lambda: ours.answered(PACKAGES), "every source of every package answers")

    assert "worker: exited with status -9" in up.output()
    assert up.runs()


@pytest.mark.slow
def test_the_demo_ends_by_itself(tmp_path: Path) -> None:
    """Packages on four forges are refreshed against its own simulator, the table is printed, and no process is left."""
    with stack(tmp_path) as ours:
        done = ours.fetcher("demo")

    assert done.returncode == 0, done.stderr
    for path in (*SEEDS.glob("*.json"), *FORGE_DOCUMENTS.glob("*.json")):
        assert path.stem.partition("-")[2] in done.stdout
    assert "0 limits tripped" in done.stdout


def _up(ours: Stack) -> Child:
    """Start it, and return once it reports that it runs."""
    up = ours.start("up", "fetcher", "up", gently=True, workers=1)
    ours.until(lambda: _started(up) or not up.runs(), "it says that it runs")
    assert up.runs(), up.output()
    return up


def _started(up: Child) -> bool:
    return RUNNING in up.output() and all(f"{name}: started" in up.output() for name in ("worker", "manual", "web"))


def _pid(up: Child, name: str) -> int:
    """Return the process id that the supervisor has reported for a program."""
    found = re.search(rf"\b{name}: started \(process (\d+)\)", up.output())
    assert found is not None, up.output()
    return int(found[1])


def _read_until(terminal: int, end: str | None) -> str:
    """Return a terminal's output up to ``end``, or until its last process has closed it."""
    output = ""
    with suppress(OSError):  # EIO: closed by the last process
        while end is None or end not in output:
            piece = os.read(terminal, 4096).decode()
            if not piece:
                break
            output += piece
    return output
