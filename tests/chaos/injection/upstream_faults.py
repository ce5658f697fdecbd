"""Injection of an upstream's fault into a complete Fetcher over simulated days, and its result."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from fetcher.domain.model import Purpose, Source
from fetcher.http import transport
from fetcher.simulator.faults import Kind, Rule
from fetcher.simulator.upstreams.github.limits import Reason
from tests.chaos.injection.deployment import DAY, SLUGS, Deployment, deployment
from tests.chaos.injection.findings import Finding, Group
from tests.chaos.injection.oracle import violations

VICTIM = SLUGS[1]
TWO_INTERVALS = 2 * DAY
LONG_ENOUGH = timedelta(hours=38)
"""A fault's duration. Every package has its slot at least once in a day and a half."""

ANSWERED = {"fetched", "not_modified"}
"""Outcomes of a successful request. A second request without a change upstream has the second outcome."""

Step = Callable[[Deployment], Awaitable[None]]


async def nothing(_: Deployment) -> None:
    """Change nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamFault:
    """One fault: its begin and end, and the expected record of the affected source."""

    group: Group
    name: str
    begin: Step
    end: Step = nothing
    source: Source = Source.REPOSITORY
    outcome: str | None
    """The outcome to be recorded, or ``None`` if nothing can be recorded or any outcome is right."""
    affects_all: bool = False
    """Whether it affects all packages. Otherwise it affects only the victim, and no other package."""
    check: Step = nothing
    """A further check while the fault lasts."""
    lasts: timedelta = LONG_ENOUGH
    returns: timedelta = TWO_INTERVALS
    """Time after the fault's end until everything must be right again."""
    settings: dict[str, Any] = field(default_factory=dict)
    blind: bool = False
    """Whether the store cannot be read while the fault lasts."""
    rare: bool = False
    """Whether only ``make chaos`` runs it, because it takes long or resembles a fault that is always run."""
    tripped: tuple[Reason, ...] = ()
    """Limits that the fault itself exceeds."""


async def run_upstream_fault(fault: UpstreamFault, folder: Path) -> Finding:
    """Run a fault and the days after it. Return every violation in the finding instead of raising it."""
    async with deployment(folder, **fault.settings) as ours:
        affected = set(SLUGS) if fault.affects_all else {VICTIM}
        began = ours.now()
        ours.move(1)
        await fault.begin(ours)
        ours.oracle.note()
        await ours.until(max(began + fault.lasts, ours.now() + LONG_ENOUGH))
        await fault.check(ours)
        wrong = [] if fault.blind else _noticed(fault, ours, affected, began)
        injected = sum(ours.simulator.log.faults.values())

        ours.simulator.faults.clear()
        await fault.end(ours)
        ended = ours.now()
        ours.move(2)
        fresh = await ours.until_fresh(ended, ended + fault.returns)
        lost = [] if fresh else ours.late(ended)
        wrong += [f"after: {slug}: {why}" for slug, why in ours.oracle.mismatches().items()]
        wrong += violations(ours.simulator.log, expected=fault.tripped)
        return Finding(
            fault.group,
            fault.name,
            injected or len(affected),
            len(affected),
            lost,
            wrong,
            ((fresh or ended + fault.returns) - ended).total_seconds(),
            simulated=True,
        )


def _noticed(fault: UpstreamFault, ours: Deployment, affected: set[str], began: datetime) -> list[str]:
    """Return the violations during the fault: wrong values, wrong outcomes, and other packages not refreshed."""
    wrong = [f"during: {slug}: {why}" for slug, why in ours.oracle.wrong().items()]
    behind = ours.oracle.not_current() if fault.outcome in ANSWERED else {}
    wrong += [f"during: {slug}: answered, and still {behind[slug]}" for slug in sorted(affected & behind.keys())]
    for slug in sorted(affected) if fault.outcome is not None else ():
        state = ours.state(slug, fault.source)
        if state.outcome != fault.outcome and not {state.outcome, fault.outcome} <= ANSWERED:
            wrong.append(f"{slug}: recorded as {state.outcome} ({state.message}) instead of {fault.outcome}")
    late = set(ours.late(began)) - affected
    return [*wrong, *(f"{slug}: was not affected, and was not refreshed" for slug in sorted(late))]


def by_rules(*rules: Rule) -> Step:
    """Return a step that adds these rules to the simulator."""

    async def begin(ours: Deployment) -> None:
        for rule in rules:
            ours.simulator.faults.add(rule)

    return begin


def manual_waits(source: Source) -> Step:
    """Return a check that manual refreshes are deferred during a pause, after at most one further attempt."""

    async def check(ours: Deployment) -> None:
        package_ids = list(ours.store.packages.ids(SLUGS).values())
        await ours.parts.service.refresh_packages(package_ids, [source], Purpose.MANUAL)
        requests = sum(ours.simulator.log.requests.values())
        await ours.parts.service.refresh_packages(package_ids, [source], Purpose.MANUAL)
        assert sum(ours.simulator.log.requests.values()) == requests, "requested during a pause"

    return check


OUR_TIME = 0.3
"""Limit of an exchange in seconds, in place of 30, so that a fault over days ends soon."""


async def wait_less(_: Deployment) -> None:
    """Shorten the transport's limit of an exchange."""
    transport.WHOLE_EXCHANGE = OUR_TIME


async def wait_as_usual(_: Deployment) -> None:
    transport.WHOLE_EXCHANGE = _USUAL


_USUAL = transport.WHOLE_EXCHANGE


def both(first: Step, second: Step) -> Step:
    """Return a step that does ``first`` and then ``second``."""

    async def step(ours: Deployment) -> None:
        await first(ours)
        await second(ours)

    return step


def rule(kind: Kind, **details: Any) -> Rule:
    return Rule(kind=kind, **details)
