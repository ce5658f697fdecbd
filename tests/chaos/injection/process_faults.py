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
from tests.chaos.injection.cluster import Cluster
from tests.chaos.injection.crash_points import CrashPoint
from tests.chaos.injection.findings import Finding, Group
from tests.chaos.injection.oracle import violations
from tests.harness.processes import Child
from tests.harness.stack import repeated

LONGER_THAN_WE_WAIT = WHOLE_EXCHANGE + 5


@dataclass(frozen=True, slots=True)
class ProcessFault:
    """One fault of processes, Redis, the database or the machine."""

    group: Group
    name: str
    inject: Callable[[Cluster], int]


def run_fault(cluster: Cluster, fault: ProcessFault) -> Finding:
    """Begin a day, inject the fault in the middle of its pass, and check the invariants."""
    cluster.simulator.log.clear()
    cluster.affected = 0
    cluster.new_day()
    restarts = cluster.restarts
    injected = fault.inject(cluster)
    ended = time.monotonic()
    cluster.until_done(1)
    fresh_after = time.monotonic() - ended
    lost = cluster.lost()
    wrong = [f"{slug}: {why}" for slug, why in cluster.oracle.mismatches().items()]
    wrong += violations(cluster.simulator.log)
    return Finding(
        fault.group,
        fault.name,
        injected,
        cluster.affected,
        lost,
        wrong,
        fresh_after,
        restarts=cluster.restarts - restarts,
    )


# --- processes --------------------------------------------------------------------------------------------------


def kill_workers(times: int, longest: float, points: Sequence[CrashPoint] = ()) -> Callable[[Cluster], int]:
    """SIGKILL one worker with all its children, at random times and at exact points, and start a replacement.

    For each of ``points``, one more worker runs beside the others and dies there by itself.
    """

    def inject(cluster: Cluster) -> int:
        killed = 0
        crashing = [cluster.start_with_crash(point) for point in points]
        for _ in range(times - len(points)):
            time.sleep(cluster.rng.uniform(0.1, longest))
            cluster.mark_injection()
            name = cluster.rng.choice(sorted(cluster.workers))
            cluster.workers[name].kill()
            cluster.start_worker(name)
            killed += 1
            if not cluster.late():
                cluster.new_day()
        for child in crashing:
            killed += _dies_of_itself(cluster, child)
        return killed

    return inject


def _dies_of_itself(cluster: Cluster, child: Child) -> bool:
    """Wait until a worker has reached its crash point. If the others finish the day first, begin another day."""

    def has_died() -> bool:
        if not cluster.late():
            cluster.new_day()
        return not child.runs()

    return cluster.until(has_died)


def die_at(point: CrashPoint, times: int) -> Callable[[Cluster], int]:
    """Let workers die at one exact point, while no other worker runs."""

    def inject(cluster: Cluster) -> int:
        cluster.stop_workers()
        cluster.mark_injection()
        died = 0
        for _ in range(times):
            died += cluster.until(partial(_has_ended, cluster.start_with_crash(point)))
        for name in cluster.workers:
            cluster.start_worker(name)
        return died

    return inject


def cut_at(point: CrashPoint) -> Callable[[Cluster], int]:
    """Let one worker do the full pass, and cut its connection at one exact point of every second record."""

    def inject(cluster: Cluster) -> int:
        cluster.stop_workers()
        cluster.mark_injection()
        cluster.marks.write_text("")
        worker = cluster.start_with_crash(point)
        done = cluster.until_done(1)
        worker.kill()
        for name in cluster.workers:
            cluster.start_worker(name)
        assert done, f"the pass did not end\n{worker.output()[-3000:]}"
        return len(cluster.marks.read_text())

    return inject


def _has_ended(child: Child) -> bool:
    return not child.runs()


def terminate_a_worker(cluster: Cluster) -> int:
    """SIGTERM a worker in the middle of a batch. It must end by itself, in time, with status 0."""
    cluster.until_midway()
    _terminate(cluster)
    return 1


def terminate_in_silence(cluster: Cluster) -> int:
    """SIGTERM a worker while the index does not respond. The batch must still end in time and be recorded."""
    cluster.mark_injection()
    before = len(cluster.stack.store.packages.failures())
    with cluster.instead(Rule(kind=Kind.HANG, route="project_json", seconds=LONGER_THAN_WE_WAIT)):
        cluster.until(lambda: cluster.simulator.log.in_flight["pypi"])
        _terminate(cluster)
        failed = len(cluster.stack.store.packages.failures()) - before
        affected = cluster.simulator.log.count("project_json")
    assert failed, "what was asked in vain is not recorded"
    return affected


def _terminate(cluster: Cluster) -> None:
    """SIGTERM a worker that is ready. A worker that is still starting does not handle the signal yet."""
    ready = [name for name, worker in sorted(cluster.workers.items()) if " ready." in worker.output()]
    assert ready, "no worker is under way"
    name = cluster.rng.choice(ready)
    worker = cluster.workers[name]
    cluster.supervised.discard(name)
    worker.terminate()
    began = time.monotonic()
    cluster.until(lambda: not worker.runs())
    took, status = time.monotonic() - began, worker.process.poll()
    worker.kill()
    cluster.start_worker(name)
    assert took < GRACE, "the worker did not end in its grace time"
    assert status == 0, f"the worker ended with status {status}\n{worker.output()}"


def kill_beat(cluster: Cluster) -> int:
    """SIGKILL beat, and start another after some seconds."""
    assert cluster.beat is not None
    cluster.mark_injection()
    cluster.beat.kill()
    time.sleep(cluster.rng.uniform(2, 4))
    cluster.beat = cluster.stack.beat()
    return 1


def two_beats(cluster: Cluster) -> int:
    """Start a second beat in the same pass. No project may be requested twice."""
    cluster.mark_injection()
    other = cluster.stack.beat("other-beat")
    done = cluster.until_done(1)
    other.end()
    entries = [entry for entry in cluster.simulator.log.entries if entry.at >= cluster.broke_at]
    names = [name for entry in entries if entry.route == "project_json" for name in entry.packages]
    twice = repeated({name: names.count(name) for name in names if name not in cluster.in_progress})
    assert done, "the pass did not end"
    assert not twice, f"asked for twice: {twice}"
    return 1


def deliver_twice(seconds: float) -> Callable[[Cluster], int]:
    """Enqueue every unacknowledged message a second time, so that its task runs twice, at once or later."""

    def inject(cluster: Cluster) -> int:
        cluster.mark_injection()
        known: set[str] = set()
        deadline = time.monotonic() + seconds
        client: Redis
        with cluster.redis.client() as client:
            while time.monotonic() < deadline:
                for tag, delivery in client.hgetall("unacked").items():  # type: ignore[misc]
                    message, _exchange, queue = json.loads(delivery)
                    if message["headers"]["task"] == "fetcher.refresh_batch" and message["headers"]["id"] not in known:
                        known.add(message["headers"]["id"])
                        again = {**message["properties"], "delivery_tag": f"again-{tag.decode()}"}
                        client.lpush(queue, json.dumps({**message, "properties": again}))
                time.sleep(0.01)
        return len(known)

    return inject


# --- Redis ------------------------------------------------------------------------------------------------------


def flush(cluster: Cluster) -> int:
    """FLUSHALL: delete queues, unacknowledged messages and the ledger."""
    cluster.until_midway()
    with cluster.redis.client() as client:
        client.flushall()
    return 1


def lose_redis(cluster: Cluster) -> int:
    """SIGKILL Redis, and start an empty one on the same port after up to two seconds."""
    cluster.until_midway()
    cluster.redis.end()
    time.sleep(cluster.rng.uniform(0.5, 2))
    cluster.redis.start()
    return 1


def stop_redis(seconds: float) -> Callable[[Cluster], int]:
    """Stop Redis for ``seconds``: it neither responds nor closes a connection."""

    def inject(cluster: Cluster) -> int:
        cluster.until_midway()
        cluster.redis.stand_still(seconds)
        return 1

    return inject


def slow_redis(pulses: int) -> Callable[[Cluster], int]:
    """Stop Redis for most of the time, in ``pulses`` short intervals."""

    def inject(cluster: Cluster) -> int:
        cluster.mark_injection()
        for _ in range(pulses):
            cluster.redis.stand_still(cluster.rng.uniform(0.2, 0.5))
            time.sleep(0.05)
        return pulses

    return inject


def fill_redis(seconds: float) -> Callable[[Cluster], int]:
    """Set Redis out of memory with noeviction for ``seconds``, so that it refuses every write."""

    def inject(cluster: Cluster) -> int:
        cluster.until_midway()
        cluster.redis.configure("maxmemory", "1")
        try:
            time.sleep(seconds)
            refused = _refuses_writes(cluster)
        finally:
            cluster.redis.configure("maxmemory", "0")
        return int(refused)

    return inject


def _refuses_writes(cluster: Cluster) -> bool:
    client: Redis
    with cluster.redis.client() as client:
        try:
            client.set("chaos", "x")
        except RedisError:
            return True
    return False


# --- PostgreSQL -------------------------------------------------------------------------------------------------


def restart_postgres(how: signal.Signals, pause: float = 1.0) -> Callable[[Cluster], int]:
    """Stop the server by the signal ``how`` in the middle of a pass, and start it again after ``pause`` seconds."""

    def inject(cluster: Cluster) -> int:
        assert cluster.postgres is not None
        cluster.until_midway()
        cluster.postgres.stop(how)
        time.sleep(pause)
        cluster.postgres.start()
        return 1

    return inject
