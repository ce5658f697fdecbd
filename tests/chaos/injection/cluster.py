"""Fetcher as it is deployed, on loopback and in compressed time, with a catalogue that changes every "day".

Workers, beat, Redis and the database are processes of their own, started as an operator starts them. The upstreams'
hour lasts a minute, and every pause is shortened in proportion. A lease lasts seconds. A new day is simulated:
everything upstream changes, and every package becomes due.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import Engine, Select, and_, exists, func, not_, or_, select, update

from fetcher.domain.model import DETAIL_SOURCES, Source
from fetcher.simulator import changes
from fetcher.simulator.catalogue import documents, from_documents
from fetcher.simulator.faults import Kind, Rule
from fetcher.simulator.server import Simulator
from fetcher.simulator.upstreams.registry import Settings
from fetcher.store import open_engine
from fetcher.store.schema import packages, source_states
from tests.chaos.injection.deployment import invented
from tests.chaos.injection.oracle import Oracle
from tests.harness.postgres import SETTINGS, PostgresProcess
from tests.harness.processes import Child
from tests.harness.redis_server import RedisProcess
from tests.harness.stack import ALONE, APP_LIMITS, Stack, simulated, stack

LEASE = 4.0
PATIENCE = 300.0
"""Seconds after a fault's end until a package that is not fresh counts as lost: twenty leases. A catalogue of thousands
has three times as many."""
PASS = 20.0
"""Total seconds of the index's responses in a pass, long enough to inject a fault in the middle."""
MANY = 1_000
LOGS = "log"
"""The folder of PostgreSQL's own log, in its data folder. Refused transactions are counted in it."""
_MOST_DAYS = 10
_POLL = 0.1
_SCHEDULED = (Source.REPOSITORY.value, Source.INDEX.value)


@dataclass(slots=True)
class Cluster:
    """The running processes that are subject to faults."""

    stack: Stack
    simulator: Simulator
    redis: RedisProcess
    postgres: PostgresProcess | None
    oracle: Oracle
    engine: Engine
    rng: Random
    pace: Rule
    """The rule that slows a pass down, so that it lasts long enough."""
    workers: dict[str, Child] = field(default_factory=dict)
    beat: Child | None = None
    supervised: set[str] = field(default_factory=set)
    """Workers that should run. One that ends by itself is started again, as a process manager does."""
    restarts: int = 0
    patience: float = PATIENCE
    day: int = 0
    broke_at: datetime = datetime.min.replace(tzinfo=UTC)
    in_progress: set[str] = field(default_factory=set)
    """Packages that were leased when the day began: the feed may name a release while upstreams change."""
    affected: int = 0
    """The maximum number of packages that were still to be refreshed when this fault was injected."""

    def mark_injection(self) -> int:
        """Record an injection now, and return the number of packages that are still to be refreshed."""
        late = self._how_many_late()
        self.affected = max(self.affected, late)
        return late

    def start_worker(self, name: str) -> Child:
        """Start a background worker. An earlier one of the same name must have ended."""
        self.workers[name] = self.stack.worker(name)
        self.supervised.add(name)
        return self.workers[name]

    def stop_workers(self) -> None:
        """SIGKILL all workers."""
        self.supervised.clear()
        for worker in self.workers.values():
            worker.kill()

    def start_with_crash(self, point: str) -> Child:
        """Start a worker that dies, or loses its connection, at ``point``."""
        queues = ("--queues", "background,maintenance", "--hostname", "crashing@%h", "--concurrency", "1", *ALONE)
        command = ("celery", "--quiet", "-A", "tests.chaos.injection.crash_points", "worker", *queues)
        before = dict(self.stack.environment)
        root = str(Path(__file__).parents[3])
        self.stack.environment = {
            **before,
            "CHAOS_CRASH_POINT": point,
            "CHAOS_MARKS": str(self.marks),
            "PYTHONPATH": root,
        }
        try:
            return self.stack.start("crashing", *command)
        finally:
            self.stack.environment = before

    @contextmanager
    def instead(self, rule: Rule) -> Iterator[None]:
        """Replace the simulator's rules by this one."""
        faults = self.simulator.faults
        faults.clear()
        faults.add(rule)
        try:
            yield
        finally:
            faults.clear()
            faults.add(self.pace)

    @property
    def marks(self) -> Path:
        """Return the path of the file with the injections that a surviving process records."""
        return self.stack.folder / "marks"

    def new_day(self) -> None:
        """Change everything upstream, and make every package due."""
        self.day += 1
        world = self.simulator.world
        for number, (repository, project) in enumerate(self.oracle.names.values()):
            stars = 1_000 * self.day + number
            changes.set_facts(world, repository, changes.Facts(stars=stars, description=f"Day {self.day}"))
            if number % 5 == self.day % 5:
                changes.push(world, repository, changes.Push(commits=2, login="ann"))
            if number % 4 == self.day % 4:
                changes.release(world, project, f"{self.day + 100}.0")
        self.oracle.note()
        self.broke_at = datetime.now(UTC)
        with self.engine.begin() as connection:
            due = update(source_states).where(source_states.c.source.in_(_SCHEDULED)).values(due_at=self.broke_at)
            rows = connection.execute(due.returning(source_states.c.package_id, source_states.c.lease)).all()
            leased = packages.c.id.in_([row.package_id for row in rows if row.lease])
            self.in_progress = set(connection.execute(select(packages.c.slug).where(leased)).scalars())

    def restart_ended(self) -> None:
        for name in sorted(self.supervised):
            if not self.workers[name].runs():
                self.start_worker(name)
                self.restarts += 1

    def late(self) -> list[str]:
        """Return the packages with a source that has not responded since the new day, fails, or is leased."""
        with self.engine.connect() as connection:
            return list(connection.execute(select(packages.c.slug).where(packages.c.id.in_(self._late()))).scalars())

    def lost(self) -> list[str]:
        """Return one line for each late package, with the stored state of each of its sources."""
        now = datetime.now(UTC)
        found: dict[str, list[str]] = defaultdict(list)
        with self.engine.connect() as connection:
            rows = connection.execute(
                select(packages.c.slug, source_states)
                .join(source_states, source_states.c.package_id == packages.c.id)
                .where(packages.c.id.in_(self._late()))
                .order_by(packages.c.id, source_states.c.source)
            )
            for row in rows:
                moments = ("answered_at", "observed_at", "due_at", "lease_until")
                ages = {
                    name: round((getattr(row, name) - now).total_seconds(), 1) for name in moments if getattr(row, name)
                }
                found[row.slug].append(f"{row.source} {row.outcome} {row.failures} {ages} {row.message or ''}")
        return [f"{slug}: {'; '.join(sources)}; day {self.broke_at - now}" for slug, sources in found.items()]

    def _how_many_late(self) -> int:
        """Count them in the database, because the simulator in this process must respond meanwhile."""
        with self.engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(self._late().subquery())).scalar_one()

    def _late(self) -> Select[int]:
        """Select late packages. A detail of an unmoved head counts as answered with its repository, as in the store."""
        state, repository = source_states.c, source_states.alias("repository").c
        unanswered = or_(state.answered_at.is_(None), state.answered_at < self.broke_at)
        confirmed = exists().where(
            state.source.in_([source.value for source in DETAIL_SOURCES]),
            repository.package_id == state.package_id,
            repository.source == Source.REPOSITORY.value,
            repository.revision == state.revision,
            repository.answered_at >= self.broke_at,
        )
        late = and_(unanswered, not_(confirmed))
        return (
            select(state.package_id)
            .where(or_(late, state.failures > 0, state.lease_until > datetime.now(UTC)))
            .distinct()
        )

    def until_done(self, share: float) -> bool:
        """Wait until this share of the packages is fresh. Return whether that happened in time."""
        most = round(len(self.oracle.names) * (1 - share))
        return self.until(lambda: self._how_many_late() <= most)

    def until_midway(self) -> None:
        """Wait until a pass is between a tenth and a half complete, and record an injection."""
        for _ in range(_MOST_DAYS):
            assert self.until_done(self.rng.uniform(0.1, 0.5)), f"no pass is under way\n{self.stack.logs()}"
            if self.mark_injection():
                return
            self.new_day()  # the last batches were recorded in between
        raise AssertionError("passes are over before a fault can be injected")

    def until(self, holds: Callable[[], object]) -> bool:
        deadline = time.monotonic() + self.patience
        while not holds():
            if time.monotonic() > deadline:
                return False
            self.restart_ended()
            time.sleep(_POLL)
        return True


@contextmanager
def cluster(
    folder: Path, *, count: int, seed: int, postgres: bool, workers: int = 2, password: str | None = None
) -> Iterator[Cluster]:
    """Yield a cluster after its first pass, with ``workers`` workers and a beat running."""
    with ExitStack() as opened:
        world = from_documents([invented(f"package-{number:04}", number) for number in range(count)])
        slow = Rule(kind=Kind.LATENCY, route="project_json", seconds=PASS / count)
        simulator = opened.enter_context(Simulator(world, Settings(limits=APP_LIMITS, seed=seed, faults=(slow,))))
        redis = RedisProcess({"save": ""}, password=password)
        opened.callback(redis.end)
        redis.start()
        settings: dict[str, object] = {"redis_url": redis.url, "plan_interval": 1, "lease": LEASE}
        database = opened.enter_context(_postgres()) if postgres else None
        if database is not None:
            settings["database_url"] = database.server.create()
        ours = opened.enter_context(stack(folder, **simulated(simulator), **settings))
        if database is not None:
            upgraded = ours.fetcher("db", "upgrade")
            assert upgraded.returncode == 0, upgraded.stderr
        slugs = _import(ours, list(documents(world)))
        names = {slug: (f"octo/{slug}", slug) for slug in slugs}
        engine = open_engine(ours.settings.database)
        opened.callback(engine.dispose)
        chance = Random(seed)  # noqa: S311  (faults should be repeatable)
        made = Cluster(ours, simulator, redis, database, Oracle(world, ours.store, names), engine, chance, slow)
        made.patience *= 3 if count > MANY else 1
        made.oracle.note()
        for number in range(workers):
            made.start_worker(f"worker-{number}")
        made.beat = ours.beat()
        assert made.until_done(1), f"no first pass\n{ours.logs()}"
        yield made


def _import(ours: Stack, entries: Sequence[dict[str, Any]]) -> list[str]:
    path = ours.folder / "catalogue.json"
    path.write_text(json.dumps(entries), "utf-8")
    done = ours.fetcher("import", str(path))
    assert done.returncode == 0, done.stderr
    return [str(entry["slug"]) for entry in entries]


@contextmanager
def _postgres() -> Iterator[PostgresProcess]:
    """Start a server whose commits survive its crash, and which detects a deadlock quickly."""
    safe = {**SETTINGS, "synchronous_commit": "on", "deadlock_timeout": "50ms", "max_connections": "40"}
    safe |= {"logging_collector": "on", "log_directory": LOGS}
    with tempfile.TemporaryDirectory(prefix="fetcher-chaos-pg-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        process = PostgresProcess(Path(folder), safe)
        process.start()
        try:
            yield process
        finally:
            process.stop()
