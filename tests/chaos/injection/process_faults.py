"""Faults of processes, Redis and the database in the middle of a pass. Each returns its number of injections."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from redis import Redis
from redis.exceptions import RedisError

from fetcher.http.transport import WHOLE_EXCHANGE
from fetcher.ops.up import GRACE
from fetcher.simulator.faults import Kind, Rule
from tests.chaos.injection.cluster import Arena
from tests.chaos.injection.crash_points import Point
from tests.chaos.injection.findings import Finding, Group
from tests.chaos.injection.oracle import violations
from tests.harness.processes import Child
from tests.harness.stack import repeated

LONGER_THAN_WE_WAIT = WHOLE_EXCHANGE + 5


@dataclass(frozen=True, slots=True)
class Blow:
    """One fault of processes, Redis, the database or the machine."""

    group: Group
    name: str
    deal: Callable[[Arena], int]


def strike(arena: Arena, blow: Blow) -> Finding:
    """Begin a day, inject the fault in the middle of its pass, and judge the result."""
    arena.simulator.log.clear()
    arena.affected = 0
    arena.new_day()
    restarts = arena.restarts
    injected = blow.deal(arena)
    ended = time.monotonic()
    arena.until_done(1)
    fresh_after = time.monotonic() - ended
    lost = arena.lost()
    wrong = [f"{slug}: {why}" for slug, why in arena.judge.amiss().items()]
    wrong += violations(arena.simulator.log)
    return Finding(
        blow.group, blow.name, injected, arena.affected, lost, wrong, fresh_after, restarts=arena.restarts - restarts
    )


# --- processes --------------------------------------------------------------------------------------------------


def kill_workers(times: int, longest: float, points: Sequence[Point] = ()) -> Callable[[Arena], int]:
    """SIGKILL one worker with all its children, at random times and at exact points, and start a replacement.

    For each of ``points``, one more worker runs beside the others and dies there by itself.
    """

    def deal(arena: Arena) -> int:
        killed = 0
        doomed = [arena.doom(point) for point in points]
        for _ in range(times - len(points)):
            time.sleep(arena.rng.uniform(0.1, longest))
            arena.falls()
            name = arena.rng.choice(sorted(arena.workers))
            arena.workers[name].kill()
            arena.hire(name)
            killed += 1
            if not arena.late():
                arena.new_day()
        for child in doomed:
            killed += _dies_of_itself(arena, child)
        return killed

    return deal


def _dies_of_itself(arena: Arena, child: Child) -> bool:
    """Wait until a doomed worker has reached its point. If the others finish the day first, begin another day."""

    def has_died() -> bool:
        if not arena.late():
            arena.new_day()
        return not child.runs()

    return arena.until(has_died)


def die_at(point: Point, times: int) -> Callable[[Arena], int]:
    """Let workers die at one exact point, while no other worker runs."""

    def deal(arena: Arena) -> int:
        arena.dismiss()
        arena.falls()
        died = 0
        for _ in range(times):
            died += arena.until(partial(_has_ended, arena.doom(point)))
        for name in arena.workers:
            arena.hire(name)
        return died

    return deal


def cut_at(point: Point) -> Callable[[Arena], int]:
    """Let one worker do the full pass, and cut its connection at one exact point of every second record."""

    def deal(arena: Arena) -> int:
        arena.dismiss()
        arena.falls()
        arena.marks.write_text("")
        worker = arena.doom(point)
        done = arena.until_done(1)
        worker.kill()
        for name in arena.workers:
            arena.hire(name)
        assert done, f"the pass did not end\n{worker.said()[-3000:]}"
        return len(arena.marks.read_text())

    return deal


def _has_ended(child: Child) -> bool:
    return not child.runs()


def terminate_a_worker(arena: Arena) -> int:
    """SIGTERM a worker in the middle of a batch. It must end by itself, in time, with status 0."""
    arena.until_midway()
    _terminate(arena)
    return 1


def terminate_in_silence(arena: Arena) -> int:
    """SIGTERM a worker while the index does not respond. The batch must still end in time and be recorded."""
    arena.falls()
    before = len(arena.stack.store.failures())
    with arena.instead(Rule(kind=Kind.HANG, route="project_json", seconds=LONGER_THAN_WE_WAIT)):
        arena.until(lambda: arena.simulator.log.in_flight["pypi"])
        _terminate(arena)
        failed = len(arena.stack.store.failures()) - before
        struck = arena.simulator.log.count("project_json")
    assert failed, "what was asked in vain is not recorded"
    return struck


def _terminate(arena: Arena) -> None:
    """SIGTERM a worker that is ready. A worker that is still starting does not handle the signal yet."""
    ready = [name for name, worker in sorted(arena.workers.items()) if " ready." in worker.said()]
    assert ready, "no worker is under way"
    name = arena.rng.choice(ready)
    worker = arena.workers[name]
    arena.on_duty.discard(name)
    worker.terminate()
    began = time.monotonic()
    arena.until(lambda: not worker.runs())
    took, status = time.monotonic() - began, worker.process.poll()
    worker.kill()
    arena.hire(name)
    assert took < GRACE, "the worker did not end in its grace time"
    assert status == 0, f"the worker ended with status {status}\n{worker.said()}"


def kill_beat(arena: Arena) -> int:
    """SIGKILL beat, and start another after some seconds."""
    assert arena.beat is not None
    arena.falls()
    arena.beat.kill()
    time.sleep(arena.rng.uniform(2, 4))
    arena.beat = arena.stack.beat()
    return 1


def two_beats(arena: Arena) -> int:
    """Start a second beat in the same pass. No project may be requested twice."""
    arena.falls()
    other = arena.stack.beat("other-beat")
    done = arena.until_done(1)
    other.end()
    entries = [entry for entry in arena.simulator.log.entries if entry.route == "project_json"]
    names = [name for entry in entries for name in entry.packages]
    twice = repeated({name: names.count(name) for name in names})
    assert done, "the pass did not end"
    assert not twice, f"asked for twice: {twice}"
    return 1


def deliver_twice(seconds: float) -> Callable[[Arena], int]:
    """Enqueue every unacknowledged message a second time, so that its task runs twice, at once or later."""

    def deal(arena: Arena) -> int:
        arena.falls()
        known: set[str] = set()
        deadline = time.monotonic() + seconds
        client: Redis
        with arena.redis.client() as client:
            while time.monotonic() < deadline:
                for tag, delivery in client.hgetall("unacked").items():  # type: ignore[misc]
                    message, _exchange, queue = json.loads(delivery)
                    if message["headers"]["task"] == "fetcher.refresh_batch" and message["headers"]["id"] not in known:
                        known.add(message["headers"]["id"])
                        again = {**message["properties"], "delivery_tag": f"again-{tag.decode()}"}
                        client.lpush(queue, json.dumps({**message, "properties": again}))
                time.sleep(0.01)
        return len(known)

    return deal


# --- Redis ------------------------------------------------------------------------------------------------------


def flush(arena: Arena) -> int:
    """FLUSHALL: delete queues, unacknowledged messages and the ledger."""
    arena.until_midway()
    with arena.redis.client() as client:
        client.flushall()
    return 1


def lose_redis(arena: Arena) -> int:
    """SIGKILL Redis, and start an empty one on the same port after up to two seconds."""
    arena.until_midway()
    arena.redis.end()
    time.sleep(arena.rng.uniform(0.5, 2))
    arena.redis.start()
    return 1


def stop_redis(seconds: float) -> Callable[[Arena], int]:
    """Stop Redis for ``seconds``: it neither responds nor closes a connection."""

    def deal(arena: Arena) -> int:
        arena.until_midway()
        arena.redis.stand_still(seconds)
        return 1

    return deal


def slow_redis(pulses: int) -> Callable[[Arena], int]:
    """Stop Redis for most of the time, in ``pulses`` short intervals."""

    def deal(arena: Arena) -> int:
        arena.falls()
        for _ in range(pulses):
            arena.redis.stand_still(arena.rng.uniform(0.2, 0.5))
            time.sleep(0.05)
        return pulses

    return deal


def fill_redis(seconds: float) -> Callable[[Arena], int]:
    """Set Redis out of memory with noeviction for ``seconds``, so that it refuses every write."""

    def deal(arena: Arena) -> int:
        arena.until_midway()
        arena.redis.configure("maxmemory", "1")
        try:
            time.sleep(seconds)
            refused = _refuses_writes(arena)
        finally:
            arena.redis.configure("maxmemory", "0")
        return int(refused)

    return deal


def _refuses_writes(arena: Arena) -> bool:
    client: Redis
    with arena.redis.client() as client:
        try:
            client.set("chaos", "x")
        except RedisError:
            return True
    return False


# --- PostgreSQL -------------------------------------------------------------------------------------------------


def restart_postgres(how: signal.Signals, pause: float = 1.0) -> Callable[[Arena], int]:
    """Stop the server by the signal ``how`` in the middle of a pass, and start it again after ``pause`` seconds."""

    def deal(arena: Arena) -> int:
        assert arena.postgres is not None
        arena.until_midway()
        arena.postgres.stop(how)
        time.sleep(pause)
        arena.postgres.start()
        return 1

    return deal
