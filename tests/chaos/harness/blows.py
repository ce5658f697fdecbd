"""Faults of processes, Redis and the database, dealt in the middle of a pass; each returns how often it struck."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from redis import Redis
from redis.exceptions import RedisError

from tests.chaos.harness.arena import Arena
from tests.chaos.harness.doomed import Point
from tests.chaos.harness.findings import Finding, Group
from tests.chaos.harness.judge import violations
from tests.stack import Child, repeated

TERM_GRACE = 40.0
"""What ``fetcher up`` gives a worker to finish."""


@dataclass(frozen=True, slots=True)
class Blow:
    """One fault of the machine room."""

    group: Group
    name: str
    deal: Callable[[Arena], int]


def strike(arena: Arena, blow: Blow) -> Finding:
    """A day breaks, the blow falls in the middle of its pass, and all must be fresh and right in the end."""
    arena.simulator.log.clear()
    arena.new_day()
    restarts = arena.restarts
    injected = blow.deal(arena)
    ended = time.monotonic()
    affected = len(arena.late())
    arena.until_done(1)
    fresh_after = time.monotonic() - ended
    lost = arena.late()
    wrong = [f"{slug}: {why}" for slug, why in arena.judge.amiss().items()]
    wrong += violations(arena.simulator.log)
    return Finding(
        blow.group, blow.name, injected, affected, lost, wrong, fresh_after, restarts=arena.restarts - restarts
    )


# --- processes --------------------------------------------------------------------------------------------------


def kill_workers(times: int, longest: float) -> Callable[[Arena], int]:
    """SIGKILL one worker with all its children, at random moments, and start another in its place."""

    def deal(arena: Arena) -> int:
        for _ in range(times):
            time.sleep(arena.rng.uniform(0.1, longest))
            name = arena.rng.choice(sorted(arena.workers))
            arena.workers[name].kill()
            arena.hire(name)
            if not arena.late():
                arena.new_day()
        return times

    return deal


def die_at(point: Point, times: int) -> Callable[[Arena], int]:
    """Workers die at one exact point; nobody else is there to do their work."""

    def deal(arena: Arena) -> int:
        arena.dismiss()
        died = 0
        for _ in range(times):
            died += arena.until(partial(_has_ended, arena.doom(point)))
        for name in arena.workers:
            arena.hire(name)
        return died

    return deal


def _has_ended(child: Child) -> bool:
    return not child.runs()


def terminate_a_worker(arena: Arena) -> int:
    """SIGTERM in the middle of a batch: it ends by itself, in time, with status 0."""
    arena.until_midway()
    name = arena.rng.choice(sorted(arena.workers))
    worker = arena.workers[name]
    arena.on_duty.discard(name)
    worker.terminate()
    began = time.monotonic()
    arena.until(lambda: not worker.runs())
    took, status = time.monotonic() - began, worker.process.poll()
    arena.hire(name)
    assert took < TERM_GRACE, "the worker did not end in its grace time"
    assert status == 0, f"the worker ended with status {status}\n{worker.said()}"
    return 1


def kill_beat(arena: Arena) -> int:
    """SIGKILL beat, and go without one for seconds."""
    assert arena.beat is not None
    arena.beat.kill()
    time.sleep(arena.rng.uniform(2, 4))
    arena.beat = arena.stack.beat()
    return 1


def two_beats(arena: Arena) -> int:
    """A second beat plans the same pass: nothing is asked for twice."""
    other = arena.stack.beat("other-beat")
    done = arena.until_done(1)
    other.end()
    entries = [entry for entry in arena.simulator.log.entries if entry.route == "project_json"]
    names = [name for entry in entries for name in entry.packages]
    twice = repeated({name: names.count(name) for name in names})
    assert done, "the pass did not end"
    assert not twice, f"asked for twice: {twice}"
    return 1


# --- Redis ------------------------------------------------------------------------------------------------------


def flush(arena: Arena) -> int:
    """FLUSHALL: queues, unacknowledged messages and the ledger are gone."""
    arena.until_midway()
    with arena.redis.client() as client:
        client.flushall()
    return 1


def lose_redis(arena: Arena) -> int:
    """SIGKILL, nothing kept, and a new one a moment later on the same port."""
    arena.until_midway()
    arena.redis.end()
    time.sleep(arena.rng.uniform(0.5, 2))
    arena.redis.start()
    return 1


def stop_redis(seconds: float) -> Callable[[Arena], int]:
    """Redis neither answers nor closes a connection."""

    def deal(arena: Arena) -> int:
        arena.until_midway()
        arena.redis.stand_still(seconds)
        return 1

    return deal


def slow_redis(pulses: int) -> Callable[[Arena], int]:
    """Redis stands still most of the time."""

    def deal(arena: Arena) -> int:
        for _ in range(pulses):
            arena.redis.stand_still(arena.rng.uniform(0.2, 0.5))
            time.sleep(0.05)
        return pulses

    return deal


def fill_redis(seconds: float) -> Callable[[Arena], int]:
    """Out of memory with noeviction: every write is refused."""

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
    """The server ends in the middle of a pass, and is there again a moment later."""

    def deal(arena: Arena) -> int:
        assert arena.postgres is not None
        arena.until_midway()
        arena.postgres.stop(how)
        time.sleep(pause)
        arena.postgres.start()
        return 1

    return deal
