"""The faults that were observed at package indexes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from fetcher.domain.model import ProjectStatus as Known
from fetcher.domain.model import Source
from fetcher.simulator import changes
from fetcher.simulator.faults import Kind
from fetcher.simulator.project import Project, ProjectStatus, Release
from fetcher.simulator.world import World
from fetcher.upstreams.pypi.serials_check import ROOT
from tests.chaos.injection.deployment import DAY, SLUGS, Deployment
from tests.chaos.injection.findings import Group
from tests.chaos.injection.upstream_faults import (
    ANSWERED,
    LONG_ENOUGH,
    OUR_TIME,
    VICTIM,
    Step,
    UpstreamFault,
    both,
    by_rules,
    manual_waits,
    nothing,
    rule,
    wait_as_usual,
    wait_less,
)

PYPI = "pypi"
ROOT_OF_60_MB = 60 * 1024 * 1024


def _project(ours: Deployment) -> Project:
    return changes.project_of(ours.simulator.world, VICTIM)


async def _delete(ours: Deployment) -> None:
    ours.simulator.world.drop_project(VICTIM)


async def _put_back(ours: Deployment) -> None:
    last = next(moment.project for moment in reversed(ours.oracle.moments[VICTIM]) if moment.project)
    ours.simulator.world.put_project(replace(last, serial=ours.simulator.world.new_serial()))


def _status(status: ProjectStatus) -> Step:
    async def change(ours: Deployment) -> None:
        changes.set_status(ours.simulator.world, VICTIM, status)

    return change


def _shows(status: Known) -> Step:
    async def check(ours: Deployment) -> None:
        package = ours.store.packages.get(VICTIM)
        assert package is not None
        assert package.versions is not None
        assert package.versions.status is status
        assert package.versions.releases, "the releases that were known are kept"

    return check


async def _yank(ours: Deployment) -> None:
    changes.yank(ours.simulator.world, VICTIM, reason="broken")


def _releases(*versions: str) -> Step:
    """Return a step that leaves the project with these versions only."""

    async def change(ours: Deployment) -> None:
        world, now = ours.simulator.world, ours.now()
        releases = tuple(
            Release(version=version, uploaded_at=now - DAY * (len(versions) - number))
            for number, version in enumerate(versions)
        )
        world.put_project(replace(_project(ours), releases=releases, serial=world.new_serial()))

    return change


async def _lag(ours: Deployment) -> None:
    """Refresh a new release once, then let a stale edge serve the state before it."""
    changes.release(ours.simulator.world, VICTIM, "77.0")
    ours.oracle.note()
    began = ours.now()
    await ours.until(began + LONG_ENOUGH)
    assert VICTIM not in ours.oracle.not_current()
    ours.simulator.upstream("pypi").serve_stale(VICTIM, times=1_000)


async def _catch_up(ours: Deployment) -> None:
    ours.simulator.upstream("pypi").serve_stale(VICTIM, times=-1_000)


class _Grown:
    """The world with an index of a million projects, generated while they are sent: some 60 MB."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __getattr__(self, name: str) -> object:
        return getattr(self._world, name)

    def projects(self) -> Iterator[tuple[str, int]]:
        yield from ((f"a-project-by-the-number-of-{number:07}", number + 1) for number in range(1_000_000))
        yield from self._world.projects()


async def _grow(ours: Deployment) -> None:
    ours.simulator.upstream("pypi")._world = _Grown(ours.simulator.world)  # type: ignore[assignment]
    ours.simulator.world.revision += 1  # the index's tag changes


async def _shrink(ours: Deployment) -> None:
    ours.simulator.upstream("pypi")._world = ours.simulator.world


async def _read_in_full(ours: Deployment) -> None:
    checkpoint = ours.store.checkpoints.get(ROOT)
    assert checkpoint.outcome in ANSWERED, checkpoint
    assert ours.simulator.log.count("simple_root", 200) > 0
    assert ours.simulator.log.count("project_json") < 2 * len(ours.oracle.names), "projects were asked one by one"


async def _elsewhere(ours: Deployment) -> None:
    """Redirect one project to another on the index's own host."""
    location = f"{ours.simulator.pypi_url}/pypi/{SLUGS[0]}/json"
    for route in ("project_json", "simple_project"):
        ours.simulator.faults.add(rule(Kind.REDIRECT_AWAY, route=route, package=VICTIM, location=location))


def _all(
    name: str,
    outcome: str,
    kind: Kind,
    *,
    rare: bool = False,
    before: Step = nothing,
    end: Step = nothing,
    check: Step = nothing,
    **details: object,
) -> UpstreamFault:
    run_fault = both(before, by_rules(rule(kind, upstream=PYPI, **details)))

    async def begin(ours: Deployment) -> None:
        """Add a release to every project, because a response without a body cannot be cut short."""
        for _, project in ours.oracle.names.values():
            changes.release(ours.simulator.world, project)
        await run_fault(ours)

    return UpstreamFault(
        group=Group.PYPI,
        name=name,
        begin=begin,
        end=end,
        check=check,
        outcome=outcome,
        source=Source.INDEX,
        affects_all=True,
        rare=rare,
    )


def _one(name: str, begin: Step, outcome: str | None = "fetched", **more: object) -> UpstreamFault:
    return UpstreamFault(
        group=Group.PYPI,
        name=name,
        begin=begin,
        outcome=outcome,
        source=Source.INDEX,
        **more,  # type: ignore[arg-type]
    )


def _root(name: str, outcome: str, kind: Kind, **details: object) -> UpstreamFault:
    """Return a fault of the index's root, which makes Fetcher request the projects one by one instead."""
    return UpstreamFault(
        group=Group.PYPI,
        name=name,
        begin=by_rules(rule(kind, route="simple_root", **details)),
        source=Source.INDEX,
        outcome=outcome,
        affects_all=True,
        lasts=timedelta(days=4),
        settings={"serial_threshold": 1},
    )


_people_wait = manual_waits(Source.INDEX)
_SLOW_STATUS = {"recheck_interval": DAY.total_seconds()}
"""Archiving and quarantine do not change the serial. They are read at the slow re-check, here after a day."""

PYPI_FAULTS = (
    _all("500", "transient", Kind.STATUS, status=500),
    _all("503", "transient", Kind.STATUS, rare=True, status=503),
    _all("503, Retry-After", "throttled", Kind.STATUS, rare=True, check=_people_wait, status=503, retry_after=3_600),
    _all("429, Retry-After", "throttled", Kind.STATUS, check=_people_wait, status=429, retry_after=3_600),
    _all("429, nothing said", "throttled", Kind.STATUS, rare=True, check=_people_wait, status=429),
    _all("connection reset", "transient", Kind.RESET, rare=True),
    _all("body cut short", "transient", Kind.TRUNCATE),
    _all("a web page", "malformed", Kind.HTML, rare=True),
    _all("JSON of another shape", "malformed", Kind.WRONG_SHAPE),
    _all("redirect loop", "malformed", Kind.REDIRECT_LOOP),
    _all("redirected to another host", "malformed", Kind.REDIRECT_AWAY, rare=True),
    _one("404, deleted", _delete, "gone", end=_put_back),
    _one(
        "quarantined",
        _status(ProjectStatus.QUARANTINED),
        None,
        check=_shows(Known.QUARANTINED),
        end=_status(ProjectStatus.ACTIVE),
        settings=_SLOW_STATUS,
        lasts=timedelta(days=4),
    ),
    _one(
        "archived",
        _status(ProjectStatus.ARCHIVED),
        None,
        check=_shows(Known.ARCHIVED),
        rare=True,
        settings=_SLOW_STATUS,
        lasts=timedelta(days=4),
    ),
    _one("latest yanked", _yank),
    _one("only pre-releases", _releases("0.1a1", "0.1rc1", "0.2.dev3")),
    _one("versions that are no PEP 440", _releases("banana", "2004-snapshot", "1.0", "final-final_2")),
    _one("a stale edge", _lag, "transient", end=_catch_up, lasts=2 * LONG_ENOUGH),
    _one("redirected to another project", _elsewhere, "malformed"),
    _all(
        "silence for longer than we wait",
        "transient",
        Kind.HANG,
        seconds=2 * OUR_TIME,
        before=wait_less,
        end=wait_as_usual,
        rare=True,
    ),
    UpstreamFault(
        group=Group.PYPI,
        name="a root of 60 MB",
        begin=_grow,
        end=_shrink,
        source=Source.INDEX,
        outcome=None,
        affects_all=True,
        rare=True,
        check=_read_in_full,
        settings={"serial_threshold": 1},
    ),
    _root("the root cut off", "not_modified", Kind.TRUNCATE),
    _root("the root, 60 MB without an end", "not_modified", Kind.OVERSIZE, size=ROOT_OF_60_MB),
)
