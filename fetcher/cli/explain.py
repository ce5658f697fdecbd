"""``fetcher explain``: the state, schedule and refresh cost of one package."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.markup import escape

from fetcher.cli.named import complete, unknown
from fetcher.cli.screen import out, print_json
from fetcher.domain.errors import UnknownPackage
from fetcher.domain.formatting import ago, counted
from fetcher.domain.model import RepoRef, Source, SourceState, StoredPackage, Target, Unsupported
from fetcher.domain.presentation import due_reason, failed_for, last_outcome, next_check
from fetcher.domain.scheduling import Cadence
from fetcher.domain.views import RefreshRequest
from fetcher.settings import read_settings
from fetcher.upstreams.base import Cost
from fetcher.upstreams.registry import Upstreams
from fetcher.wiring import current_cadence, open_store, upstreams_in


@dataclass(frozen=True, slots=True)
class Explained:
    """Data of an explanation of one package, as of ``now``."""

    now: datetime
    cadence: Cadence
    package: StoredPackage
    target: Target
    request: RefreshRequest | None
    """The open refresh request of a user, if there is one."""
    costs: tuple[Cost, ...]
    forge: str | None = None
    """The kind of a host beside GitHub, and how it is known."""
    retired_by_sync: bool = False


def explain(
    slug: Annotated[str, typer.Argument(help="The package.", show_default=False, autocompletion=complete)],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Explain a package's state: its addresses, each source's last response, next due time and the reason.

    Examples: fetcher explain django-vies · fetcher explain django-vies --json
    """
    settings = read_settings()
    with open_store(settings) as store:
        package = store.packages.get(slug)
        if package is None or package.entry.id is None:
            raise unknown(store.packages, [slug])
        target = store.claims.target(package.entry.id)
        request = store.requests.latest(package.entry.id)
        by_sync = package.retired_at is not None and package.entry.id in store.synced.retired()
        cadence = current_cadence(settings, store)
        upstreams = upstreams_in(settings, store)
    if target is None:
        raise UnknownPackage(f"{slug} was deleted in the meantime", "Add it again by `fetcher import`")
    now = datetime.now(UTC)
    explained = Explained(
        now,
        cadence,
        package,
        target,
        request if request is not None and request.state.is_open else None,
        tuple(_costs(upstreams, target, now, cadence)) if package.retired_at is None else (),
        upstreams.forge(package.repo.host) if isinstance(package.repo, RepoRef) else None,
        by_sync,
    )
    if json:
        print_json(_json(explained))
    else:
        for line in lines(explained):
            out.print(line)


def _costs(upstreams: Upstreams, target: Target, now: datetime, cadence: Cadence) -> list[Cost]:
    """Return the costs of the upstreams that serve the package."""
    serving = {state.upstream for state in target.states.values()}
    return [cost for one in upstreams.all if one.name in serving for cost in one.costs(target, now, cadence)]


# --- text output -------------------------------------------------------------------------------------------------


def lines(explained: Explained) -> list[str]:
    """Return the explanation as lines, one fact each."""
    package, now = explained.package, explained.now
    found = [f"[bold]{escape(package.entry.slug)}[/] (id {package.entry.id}): {escape(package.entry.title)}"]
    found.append(f"repository: {_repository(explained)}")
    if explained.forge is not None:
        found.append(f"forge: {escape(explained.forge)}")
    found.append(f"project: {_project(package)}")
    if package.retired_at is not None:
        by = "a synchronization, whose source no longer listed it" if explained.retired_by_sync else "an editor"
        found.append(f"retired {ago(package.retired_at, now)} by {by}: not fetched until `fetcher revive`")
    fetched = package.observed.last_fetched
    found.append(f"last fetched: {ago(fetched, now)} (all sources)" if fetched else "never fully fetched")
    if explained.request is not None:
        found.append(f"refresh requested {ago(explained.request.requested_at, now)}: {explained.request.state}")
    for source in Source:
        if (state := package.states.get(source)) is not None:
            found += ["", f"[bold]{source}[/]", *(f"  {line}" for line in _source_lines(explained, state))]
    if explained.costs:
        found += ["", "[bold]cost of a refresh now[/]", *(f"  {_cost(cost)}" for cost in explained.costs)]
    return found


def _repository(explained: Explained) -> str:
    match explained.package.repo:
        case RepoRef() as repo:
            seen = explained.target.repo
            where = f"{repo.host}/{repo.path}"
            if seen is not None and seen.key != repo.key:
                where += f", now named {seen.path}"
            return escape(where)
        case Unsupported(address=address, reason=reason):
            return f"{escape(address)} is not fetched: {escape(reason)}"
        case None:
            return "none is stated"


def _project(package: StoredPackage) -> str:
    match package.project:
        case Unsupported(address=address, reason=reason):
            return f"{escape(address)} is not fetched: {escape(reason)}"
        case None:
            return "none is stated"
        case name:
            return escape(name)


def _source_lines(explained: Explained, state: SourceState) -> list[str]:
    now = explained.now
    found = [escape(last_outcome(state, now))]
    if state.failures:
        found.append(f"{failed_for(state, now)}; the stored data is kept")
    if state.revision:
        found.append(f"stored revision: {escape(state.revision[:40])}")
    if state.expected:
        found.append(
            f"newest serial seen: {escape(state.expected)}; an older response is rejected as a stale CDN edge's"
        )
    found.append(f"{next_check(state, now)}: {due_reason(state, explained.cadence, explained.package.active_at, now)}")
    if state.lease_until is not None:
        held = "leased to a worker" if state.lease_until > now else "a worker's lease has expired"
        found.append(f"{held}, until {ago(state.lease_until, now)}")
    return found


def _cost(cost: Cost) -> str:
    requests = "no request" if not cost.requests else counted(cost.requests, "request")
    return f"{', '.join(cost.sources)}: {requests} ({cost.why})"


# --- JSON output ------------------------------------------------------------------------------------------------


def _json(explained: Explained) -> dict[str, Any]:
    package = explained.package
    return {
        "at": explained.now,
        "slug": package.entry.slug,
        "id": package.entry.id,
        "repository": asdict(package.repo) if package.repo is not None else None,
        "answers_as": explained.target.repo.path if explained.target.repo is not None else None,
        "project": asdict(package.project) if isinstance(package.project, Unsupported) else package.project,
        "retired_at": package.retired_at,
        "last_fetched": package.observed.last_fetched,
        "active_at": package.active_at,
        "open_request": None if explained.request is None else explained.request.id,
        "sources": [
            {
                **{name: value for name, value in asdict(state).items() if name not in ("validators", "due_reason")},
                "interval": _interval(explained, state),
                "due_because": state.due_reason or "follows",
            }
            for _, state in sorted(package.states.items())
        ],
        "costs": [asdict(cost) for cost in explained.costs],
    }


def _interval(explained: Explained, state: SourceState) -> timedelta:
    """Return the source's current interval."""
    active_at = explained.package.active_at
    idle = None if active_at is None else explained.now - active_at
    return explained.cadence.interval_of(state.source, state.upstream, idle)
