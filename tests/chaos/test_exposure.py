"""Access from outside: pickled messages, the embedded Redis, and the addresses of listening sockets."""

from __future__ import annotations

import os
import pickle
import socket
import stat
from contextlib import suppress
from pathlib import Path

import pytest
from kombu import Connection, Exchange, Queue
from redis import Redis

from fetcher.ops.embedded_redis import EmbeddedRedis
from fetcher.ops.up import Supervisor, spawn
from fetcher.simulator.catalogue import from_documents
from fetcher.simulator.server import Simulator
from tests.chaos.injection.deployment import invented
from tests.harness.processes import children_of
from tests.harness.stack import simulated, stack

pytestmark = [pytest.mark.chaos, pytest.mark.slow]

LISTENS = "0A"
"""The kernel's number of the listening state of a socket."""


class _Program:
    """An object whose pickle runs code when it is read."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self._mark), "w")


def test_a_message_that_is_a_program_is_not_run(tmp_path: Path, redis_url: str) -> None:
    """Show that a worker refuses a pickled message without reading it, and continues with JSON messages."""
    mark = tmp_path / "was-here"
    queue = Queue("background", Exchange("background"), routing_key="background")
    with (
        Simulator(from_documents([invented("alpha", 1)])) as simulator,
        stack(tmp_path / "stack", **simulated(simulator), redis_url=redis_url, plan_interval=1) as ours,
    ):
        slugs = ours.import_world(simulator.world)
        with Connection(redis_url) as connection:
            connection.Producer().publish(
                pickle.dumps(((_Program(mark),), {}, {})),
                exchange=queue.exchange,
                routing_key=queue.routing_key,
                declare=[queue],
                content_type="application/x-python-serialize",
                content_encoding="binary",
                headers={"task": "fetcher.refresh_batch", "id": "a-program"},
            )
        worker = ours.worker(concurrency=1)
        ours.until(lambda: "Refusing to deserialize untrusted content" in worker.output(), "the pickle is refused")
        ours.beat()
        ours.until(lambda: ours.answered(len(slugs)), "every source of every package answers")

    assert not mark.exists()


def test_the_embedded_redis_is_this_users_alone(tmp_path: Path) -> None:
    """Show that it listens on no port, and that other users cannot access its socket or its folder."""
    server = EmbeddedRedis(tmp_path / "redis" / "redis.sock")
    supervisor = Supervisor(lambda program: spawn(program, os.environ), print)
    try:
        process = supervisor.start(server.program())
        server.wait(lambda: process.poll() is None)
        with Redis(unix_socket_path=str(server.socket)) as client:
            port = client.config_get("port")["port"]
        modes = [stat.S_IMODE(path.stat().st_mode) & 0o077 for path in (server.socket, server.socket.parent)]
    finally:
        supervisor.stop()

    assert port == "0"
    assert modes == [0, 0]


def test_only_this_machine_can_reach_the_listening_ports(tmp_path: Path) -> None:
    """Show that ``fetcher up``, ``fetcher web`` and the simulator listen on loopback unless configured otherwise."""
    with stack(tmp_path) as ours:
        up = ours.start("up", "fetcher", "up", gently=True, workers=1)
        web = ours.start("web", "fetcher", "web")
        open_web = ours.start("open-web", "fetcher", "web", "--host", "0.0.0.0")  # noqa: S104  (the subject of this test)
        simulator = ours.start("simulator", "fetcher", "simulate", "--port", "0")
        ours.until(lambda: "Ctrl-C stops it" in up.output() and any(map(listening, children_of(up.pid))), "it is up")
        ours.until(lambda: all(listening(one.pid) for one in (web, open_web, simulator)), "they listen")
        of_up = [address for pid in (up.pid, *children_of(up.pid)) for address in listening(pid)]

        assert of_up == ["127.0.0.1"]
        assert listening(web.pid) == listening(simulator.pid) == ["127.0.0.1"]
        assert listening(open_web.pid) == ["0.0.0.0"]  # noqa: S104  (the subject of this test)


def listening(pid: int) -> list[str]:
    """Return the addresses of the TCP ports that a process listens on, as the kernel lists them."""
    own: set[str] = set()
    with suppress(FileNotFoundError):  # the process has just ended
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # or has just closed this descriptor
                own.add(os.readlink(link))
    found: list[str] = []
    if not own:
        return found
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path(f"/proc/{pid}/net/{table}").read_text("ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENS and f"socket:[{fields[9]}]" in own:
                words = bytes.fromhex(fields[1].partition(":")[0])
                address = b"".join(words[at : at + 4][::-1] for at in range(0, len(words), 4))
                found.append(socket.inet_ntop(family, address))
    return found
