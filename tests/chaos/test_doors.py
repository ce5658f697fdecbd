"""Nobody is let in by the side doors: messages that are programs, and the embedded Redis."""

from __future__ import annotations

import pickle
import stat
from pathlib import Path

import pytest
from kombu import Connection, Exchange, Queue
from redis import Redis

from fetcher.ops.embedded_redis import EmbeddedRedis
from fetcher.simulator.catalogue import from_documents
from fetcher.simulator.server import Simulator
from tests.chaos.harness.house import invented
from tests.stack import simulated, stack

pytestmark = pytest.mark.chaos


class _Program:
    """What a pickle can be: something that runs when it is read."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self._mark), "w")


def test_a_message_that_is_a_program_is_not_run(tmp_path: Path, redis_url: str) -> None:
    """A pickle in the queue is refused unread, and the worker goes on with what is JSON."""
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
        ours.until(lambda: "ContentDisallowed" in worker.said(), "the pickle is refused")
        ours.beat()
        ours.until(lambda: ours.answered(len(slugs)), "every source of every package answers")

    assert not mark.exists()


def test_the_embedded_redis_is_this_users_alone(tmp_path: Path) -> None:
    """It listens on no port; its socket and its folder are closed to everybody else."""
    server = EmbeddedRedis(tmp_path / "redis" / "redis.sock")
    server.start()
    try:
        with Redis(unix_socket_path=str(server.socket)) as client:
            port = client.config_get("port")["port"]
        modes = [stat.S_IMODE(path.stat().st_mode) & 0o077 for path in (server.socket, server.socket.parent)]
    finally:
        server.stop()

    assert port == "0"
    assert modes == [0, 0]
