"""Read models that the command line and the web pages render: a package's fields, schedule and failures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from fetcher.domain.catalogue_stats import stale_before
from fetcher.domain.formatting import ago, failure_kind, percent, span
from fetcher.domain.model import (
    DueReason,
    FailureRow,
    OutcomeKind,
    RepoRef,
    Source,
    SourceState,
    StoredPackage,
    Unsupported,
)
from fetcher.domain.scheduling import Cadence, is_gone
from fetcher.domain.sweeping import SweepLimit, SweepPlan
from fetcher.domain.views import PackageState


@dataclass(frozen=True, slots=True)
class PackageField:
    """A value of a package. Without a ``source``, an editor stated it."""

    name: str
    value: str | int | tuple[str, ...] | None
    source: Source | None = None
    answered_at: datetime | None = None
    """Time of the source's last successful fetch."""
    link: str | None = None
    """HTTP address that the value may link to."""
    upstream: str | None = None
    """Name of the upstream that serves the source."""
    moment: datetime | None = None
    """The value as a time, for renderers that show an age."""


def package_fields(package: StoredPackage, document: Mapping[str, Any]) -> list[PackageField]:
    """Return the fields of ``package``, unknown ones with an empty value. ``document`` is its v4 document."""
    entry, stats, versions, weeks = package.entry, package.stats, package.versions, document["commits_over_52"]

    def field(name: str, value: Any, source: Source | None, **more: Any) -> PackageField:
        state = package.states.get(source) if source else None
        if state is None:
            return PackageField(name, value, source, **more)
        return PackageField(name, value, source, state.answered_at, upstream=state.upstream, **more)

    committed_at = stats.head_committed_at if stats else package.observed.last_updated
    documented_by = None if entry.documentation_url or Source.INDEX not in package.states else Source.INDEX
    documentation = document["documentation_url"]
    return [
        field("repository", _address(package.repo, entry.repo_url), None, link=_link(entry.repo_url)),
        field("stars", document["repo_watchers"], Source.REPOSITORY),
        field("forks", document["repo_forks"], Source.REPOSITORY),
        field("watchers", stats.watchers if stats else None, Source.REPOSITORY),
        field("description", document["repo_description"], Source.REPOSITORY),
        field("last commit", document["last_updated"], Source.REPOSITORY, moment=committed_at),
        field("default branch", stats.default_branch if stats else None, Source.REPOSITORY),
        field("flags", _flags(package), Source.REPOSITORY),
        field("participants", tuple(document["participants"]), Source.CONTRIBUTORS),
        field("commits in 52 weeks", sum(weeks) if weeks else None, Source.COMMITS),
        field("project", _address(package.project, entry.pypi_url), None),
        field("version", document["pypi_version"], Source.INDEX),
        field("releases", _releases(package), Source.INDEX),
        field("status", versions.status if versions else None, Source.INDEX),
        field("licence", versions.info.licence if versions and versions.info else None, Source.INDEX),
        field("documentation", documentation, documented_by, link=_link(documentation)),
    ]


def provenance(field: PackageField) -> str:
    """Return the origin of a value: the source and its upstream, or the editors."""
    if field.source is None:
        return "editors"
    return f"{field.source} ({field.upstream})" if field.upstream else field.source.value


def failing_sources(states: Iterable[SourceState]) -> list[SourceState]:
    """Return the sources whose last fetch failed, sorted by source."""
    return sorted((state for state in states if state.failures), key=lambda state: state.source)


@dataclass(frozen=True, slots=True)
class FailingPackage:
    """A package and its failing sources, the one that failed first at the front."""

    slug: str
    states: tuple[SourceState, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of its failures, without repetition."""
        return tuple(dict.fromkeys(map(failure_kind, self.states)))

    @property
    def since(self) -> datetime | None:
        return min((state.first_failed_at for state in self.states if state.first_failed_at), default=None)

    @property
    def next_try(self) -> datetime | None:
        return min((state.due_at for state in self.states if state.due_at), default=None)


def failing_packages(rows: Iterable[FailureRow]) -> list[FailingPackage]:
    """Group failing sources by package, in the order of ``rows``."""
    packages: dict[str, list[SourceState]] = defaultdict(list)
    for row in rows:
        packages[row.slug].append(row.state)
    never = datetime.max.replace(tzinfo=UTC)
    return [
        FailingPackage(slug, tuple(sorted(states, key=lambda state: state.first_failed_at or never)))
        for slug, states in packages.items()
    ]


def packages_by_kind(rows: Iterable[FailureRow]) -> dict[str, list[FailingPackage]]:
    """Group failing packages by the kind of their first failure, the most frequent kind first."""
    kinds: dict[str, list[FailingPackage]] = defaultdict(list)
    for package in failing_packages(rows):
        kinds[package.kinds[0]].append(package)
    return dict(sorted(kinds.items(), key=lambda item: (-len(item[1]), item[0])))


def package_state(package: StoredPackage, now: datetime, interval: timedelta) -> PackageState:
    """Return the state of ``package``, as the listing counts it."""
    failing = [state for state in package.states.values() if state.failures or _is_refusal(state)]
    if package.retired_at is not None:
        return PackageState.RETIRED
    if failing:
        return PackageState.GONE if any(map(is_gone, failing)) else PackageState.FAILING
    if isinstance(package.repo, Unsupported) or isinstance(package.project, Unsupported):
        return PackageState.UNSUPPORTED
    if package.repo is None and package.project is None:
        return PackageState.UNSUPPORTED
    fetched = package.observed.last_fetched
    if fetched is None:
        return PackageState.NOT_FETCHED
    return PackageState.STALE if fetched < stale_before(now, interval) else PackageState.FRESH


def _is_refusal(state: SourceState) -> bool:
    refusals = (OutcomeKind.GONE, OutcomeKind.REPLACED, OutcomeKind.UNAUTHORIZED, OutcomeKind.MALFORMED)
    return state.outcome in refusals


def last_outcome(state: SourceState, now: datetime) -> str:
    """Return a source's last response, and its last outcome if that was another one."""
    answered = f"last response {ago(state.answered_at, now)}" if state.answered_at else "no response yet"
    if state.outcome is None:
        return f"{answered}, not requested since its address was stored"
    if state.answered_at == state.observed_at and not state.message:
        return f"{answered}: {state.outcome.replace('_', ' ')}"
    outcome = f"last outcome {failure_kind(state).replace('_', ' ')}, {ago(state.observed_at, now)}"
    return f"{answered}; {outcome}{f': {state.message}' if state.message else ''}"


def failed_for(state: SourceState, now: datetime) -> str:
    """Return how often a source failed in a row, and since when."""
    times = {1: "failed once", 2: "failed twice"}.get(state.failures, f"failed {state.failures} times in a row")
    if state.first_failed_at is None:
        return times
    first = ago(state.first_failed_at, now)
    return f"{times}, {first}" if state.failures == 1 else f"{times}, first {first}"


def next_check(state: SourceState, now: datetime) -> str:
    """Return a source's due time."""
    if state.due_at is None:
        return "not scheduled by itself"
    return f"due for {span(now - state.due_at)}" if state.due_at <= now else f"due {ago(state.due_at, now)}"


def due_reason(state: SourceState, cadence: Cadence, active_at: datetime | None, now: datetime) -> str:
    """Return the reason for a source's due time. ``active_at``: the repository's last known activity."""
    match state.due_reason:
        case None:
            return (
                "fetched after its repository's next response" if state.due_at is None else "set by an earlier version"
            )
        case DueReason.COOLING:
            pauses = cadence.pauses_after(state.outcome)
            longest = f", which grows to {span(pauses.longest)} at most"
            return f"a pause of {span(pauses.after(state.failures))}, because it {_failed(state)}{longest}"
        case DueReason.MOVED:
            what = "serial" if state.source is Source.INDEX else "head"
            return f"the upstream has a newer {what} than the stored one"
        case DueReason.SLOT:
            return _slot_reason(state, cadence, active_at, now)
        case DueReason.RECHECK:
            least, most = span(cadence.recheck / 2), span(cadence.recheck * 1.5)
            return f"no change detected: periodic re-check, {least} to {most} after the last full fetch"
        case other:
            return _REASONS[other]


_REASONS: Mapping[DueReason, str] = {
    DueReason.FIRST: "not requested yet",
    DueReason.QUOTA: "deferred by the quota, or by the upstream's rate limit",
    DueReason.ORDER: "contributors with equal counts: GitHub's list, which may be hours old, decides their order",
    DueReason.SETTLING: "GitHub's list of contributors may lag by hours: fetched a day later to confirm the history",
    DueReason.WEEKS: "participation has full weeks: fetched again to roll them forward",
    DueReason.MISSING: "its repository is missing: fetched after the repository's next response",
    DueReason.OUT_OF_TURN: "made due at once: index unavailable, counting of weeks changed, or package revived",
    DueReason.FEED: "the index's feed names a new release",
    DueReason.HINT: "a webhook of its forge reports an event",
}
"""Reasons that depend on nothing else. ``tests/unit/test_due_reasons.py`` checks that none is missing."""


def _slot_reason(state: SourceState, cadence: Cadence, active_at: datetime | None, now: datetime) -> str:
    idle = None if active_at is None else now - active_at
    its_slot = f"its slot in the interval of {span(cadence.interval_of(state.source, state.upstream, idle))}"
    sweep = cadence.sweeps.get(state.upstream or "") if state.source is Source.REPOSITORY else None
    if sweep is None:
        return its_slot
    if sweep.is_shortest:
        return f"{its_slot}, the shortest, which every package of this upstream has"
    return f"{its_slot}, by its last push or star: {ago(active_at, now) if active_at else 'none known'}"


def _failed(state: SourceState) -> str:
    return "failed once" if state.failures == 1 else f"failed {state.failures} times in a row"


_LIMITS = {
    SweepLimit.SHORTEST: "the shortest interval",
    SweepLimit.QUOTA: "limited by the share of the quota",
    SweepLimit.RATE: "limited by the requests or response seconds a minute",
    SweepLimit.EXCEEDED: "the longest intervals, which use more than the share of the quota",
}


def intervals_in_words(cadence: Cadence, plans: Iterable[SweepPlan], titles: Mapping[str, str]) -> list[str]:
    """Return the intervals of statistics and heads with their reasons, a line for each upstream."""
    in_force = [plan for plan in plans if plan.upstream in cadence.sweeps]
    if not in_force:
        return [f"statistics and heads each {span(cadence.interval)}"]
    return [f"{titles.get(plan.upstream, plan.upstream)} {sweep_in_words(plan)}" for plan in in_force]


def sweep_in_words(plan: SweepPlan) -> str:
    """Return the intervals of statistics and heads at one upstream, with the reason and the use of the quota."""
    sweep = plan.sweep
    each = f"each {span(sweep.shortest)}"
    if plan.weighted:
        each = (
            f"from each {span(sweep.shortest)} (active within a day) to each {span(sweep.longest)} (silent for years)"
        )
    uses = f"{percent(plan.share)} of {plan.quota:,.0f} {plan.resource} an hour"
    return f"{each}: {_LIMITS[plan.limited_by]}, {uses}"


def sweep_facts(plan: SweepPlan) -> dict[str, Any]:
    """Return the intervals at one upstream and their reason, for JSON."""
    return {
        "upstream": plan.upstream,
        "shortest": plan.sweep.shortest,
        "longest": plan.sweep.longest,
        "because": plan.limited_by,
        "since": plan.since,
        "resource": plan.resource,
        "quota_share": plan.share,
        "packages_by_activity": plan.packages,
    }


def failures_by_kind(rows: Iterable[FailureRow]) -> dict[str, list[FailureRow]]:
    """Group failures by their kind, the most frequent kind first."""
    kinds: dict[str, list[FailureRow]] = defaultdict(list)
    for row in rows:
        kinds[failure_kind(row.state)].append(row)
    return dict(sorted(kinds.items(), key=lambda item: (-len(item[1]), item[0])))


def _address(found: RepoRef | str | Unsupported | None, stated: str | None) -> str | None:
    match found:
        case RepoRef():
            moved = stated is not None and found.name.lower() not in stated.lower()
            return f"{stated} (now {found.path})" if moved else stated or found.path
        case Unsupported():
            return f"{stated} – not fetched: {found.reason}"
        case _:
            return found or stated


def _link(address: str | None) -> str | None:
    """Return ``address`` if it is HTTP. Addresses are untrusted, and may have the scheme ``javascript:``."""
    return address if address is not None and address.startswith(("https://", "http://")) else None


def _flags(package: StoredPackage) -> str | None:
    stats = package.stats
    if stats is None:
        return None
    return ", ".join(name for name in ("archived", "disabled", "empty") if getattr(stats, name)) or None


def _releases(package: StoredPackage) -> str | None:
    if package.versions is None:
        return None
    releases = package.versions.releases
    yanked = sum(release.yanked for release in releases)
    return f"{len(releases)}" + (f", {yanked} yanked" if yanked else "")
