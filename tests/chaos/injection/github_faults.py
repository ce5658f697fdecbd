"""The faults that were observed at GitHub."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from fetcher.domain.model import CatalogueEntry, DueReason, Purpose, SharedRepository, Source
from fetcher.simulator import changes
from fetcher.simulator.faults import Kind
from fetcher.simulator.repository import Block
from fetcher.simulator.upstreams.github.limits import Reason, Resource
from fetcher.simulator.upstreams.github.node_ids import NodeIds
from fetcher.simulator.upstreams.github.statistics_jobs import Participation, Statistics
from fetcher.upstreams.github.refresh import GitHubRefresh
from tests.chaos.injection.deployment import DAY, SLUGS, Deployment
from tests.chaos.injection.findings import Group
from tests.chaos.injection.upstream_faults import (
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

REPOSITORY = f"octo/{VICTIM}"
NEWCOMER = "a-newcomer"
WEEKS_MOVE_ON = 9 * DAY
"""Weeks from participation are requested again a week later. Until then they may lag by days."""
GITHUB = "github"


def _facts(facts: changes.Facts) -> Step:
    async def change(ours: Deployment) -> None:
        changes.set_facts(ours.simulator.world, REPOSITORY, facts)
        ours.oracle.note()

    return change


def _blocked(block: Block | None) -> Step:
    async def change(ours: Deployment) -> None:
        changes.set_block(ours.simulator.world, REPOSITORY, block)

    return change


async def _push_everywhere(ours: Deployment) -> None:
    """Move every head, so that one query requests all histories."""
    for repository, _ in ours.oracle.names.values():
        changes.push(ours.simulator.world, repository, changes.Push(login="ann"))


def _drops_a_newcomer(then: Step) -> Step:
    """Return a step that lists a new contributor, drops their only commit by a forced push, and then does ``then``."""

    async def change(ours: Deployment) -> None:
        world = ours.simulator.world
        changes.push(world, REPOSITORY, changes.Push(login=NEWCOMER))
        ours.oracle.note()
        await _until_listed(ours)
        changes.force_push(world, REPOSITORY)
        ours.oracle.note()
        await _until(ours, lambda: ours.state(VICTIM, Source.CONTRIBUTORS).due_reason is DueReason.SETTLING)
        assert NEWCOMER in _participants(ours), "somebody was dropped on the word of a history"
        await then(ours)

    return change


def _participants(ours: Deployment) -> Sequence[str]:
    package = ours.store.packages.get(VICTIM)
    assert package is not None
    return package.observed.participants or ()


async def _until_listed(ours: Deployment) -> None:
    await _until(ours, lambda: NEWCOMER in _participants(ours))


async def _until_seen(ours: Deployment) -> None:
    """Work until all changes upstream are stored."""
    await _until(ours, lambda: not ours.oracle.not_current())


async def _until(ours: Deployment, holds: Callable[[], bool]) -> None:
    deadline = ours.now() + LONG_ENOUGH
    while not holds():
        assert ours.now() < deadline, "the fault could not be prepared"
        await ours.until(ours.now() + timedelta(hours=1))


async def _draw_level(ours: Deployment) -> None:
    """Add a contributor with as many commits as a known one, so that GitHub's list decides their order."""
    counts = ours.oracle.moments[VICTIM][-1].contributions()
    changes.push(ours.simulator.world, REPOSITORY, changes.Push(login=NEWCOMER, commits=min(counts.values())))
    ours.oracle.note()
    await _until_listed(ours)


async def _push_a_long_history(ours: Deployment) -> None:
    """Push more commits in the year than a page holds."""
    changes.push(ours.simulator.world, REPOSITORY, changes.Push(login="ann", commits=150))


def _node_ids(form: NodeIds) -> Step:
    async def change(ours: Deployment) -> None:
        ours.simulator.upstream("github").options.node_ids = form

    return change


def _participation(counting: Participation) -> Step:
    """Return a step that sets the counting of merges in GitHub's weeks, and runs Fetcher's monthly check."""

    async def change(ours: Deployment) -> None:
        jobs = ours.simulator.upstream("github").jobs
        jobs.settings = replace(jobs.settings, participation=counting)
        ours.oracle.merges = counting is Participation.WITH_MERGES
        ours.oracle.note()
        package_ids = list(ours.store.packages.ids(SLUGS).values())
        check = await ours.parts.assembly.live(GitHubRefresh).merges.check(
            package_ids, Purpose.BACKGROUND, timedelta(0)
        )
        assert check.in_force == counting.value, check

    return change


async def _delete(ours: Deployment) -> None:
    changes.delete(ours.simulator.world, REPOSITORY)


async def _recreate(ours: Deployment) -> None:
    ours.oracle.usurped.add(VICTIM)
    changes.recreate(ours.simulator.world, REPOSITORY, commits=3)


async def _put_back(ours: Deployment) -> None:
    """Restore the original repository in its last state."""
    ours.oracle.usurped.discard(VICTIM)
    last = next(m.repository for m in reversed(ours.oracle.moments[VICTIM]) if m.repository and not m.repository.empty)
    usurper = ours.simulator.world.repository(REPOSITORY)
    if usurper is not None and usurper.database_id != last.database_id:
        ours.simulator.world.drop_repository(usurper.database_id)
    ours.simulator.world.put_repository(last)


async def _empty(ours: Deployment) -> None:
    changes.empty(ours.simulator.world, REPOSITORY)


async def _revoke(ours: Deployment) -> None:
    ours.simulator.upstream("github").credentials.revoked.add(ours.simulator.token)
    ours.simulator.log.clear()


async def _restore(ours: Deployment) -> None:
    ours.simulator.upstream("github").credentials.revoked.clear()


async def _few_requests(ours: Deployment) -> None:
    """Check that GitHub was requested at most once in ten minutes, and that every package has the message."""
    text = {
        row.slug: row.state.message for row in ours.store.packages.failures() if row.state.source is Source.REPOSITORY
    }
    assert text.keys() == ours.oracle.names.keys(), text
    assert all("does not accept the credential" in (message or "") for message in text.values()), text
    requests = ours.simulator.log.count(upstream=GITHUB)
    assert 0 < requests <= timedelta(hours=38) / timedelta(minutes=10), requests


async def _is_archived(ours: Deployment) -> None:
    package = ours.store.packages.get(VICTIM)
    assert package is not None
    assert package.stats is not None
    assert package.stats.archived


async def _reported(ours: Deployment) -> None:
    assert any(row.slug == VICTIM and row.state.outcome == "replaced" for row in ours.store.packages.failures())


def _moved_to(owner: str, name: str) -> tuple[Step, Step]:
    async def move(ours: Deployment) -> None:
        changes.rename(ours.simulator.world, REPOSITORY, name, owner)

    async def check(ours: Deployment) -> None:
        package = ours.store.packages.get(VICTIM)
        assert package is not None
        assert package.stats is not None
        assert package.stats.full_name == f"{owner}/{name}"

    return move, check


async def _listed_again(ours: Deployment) -> None:
    """List the victim's repository a second time, under its new name."""
    changes.rename(ours.simulator.world, REPOSITORY, "omega")
    ours.store.packages.import_entries(
        [CatalogueEntry("omega", "Omega", repo_url="https://github.com/octo/omega")], ours.now()
    )


async def _returned_as_one(ours: Deployment) -> None:
    assert ours.store.packages.shared_repositories() == [SharedRepository("octo/omega", (VICTIM, "omega"))]


async def _retired(ours: Deployment) -> None:
    ours.store.packages.retire(list(ours.store.packages.ids(["omega"]).values()), ours.now())


async def _no_name(ours: Deployment) -> None:
    await ours.reopen(github_api_url="http://nowhere.invalid/github")


async def _no_certificate(ours: Deployment) -> None:
    await ours.reopen(github_api_url=ours.simulator.github_url.replace("http://", "https://"))


async def _right_address(ours: Deployment) -> None:
    await ours.reopen(github_api_url=ours.simulator.github_url)


async def _used_up(ours: Deployment) -> None:
    """Set the hour's remaining quota to zero, as if another client had used it."""
    for resource in Resource:
        ours.simulator.upstream("github").ledger.set_remaining("simulated-user", resource, 0, ours.now())


def _all(name: str, outcome: str, begin: Step, **more: object) -> UpstreamFault:
    return UpstreamFault(group=Group.GITHUB, name=name, begin=begin, outcome=outcome, affects_all=True, **more)  # type: ignore[arg-type]


def _one(name: str, outcome: str, begin: Step, **more: object) -> UpstreamFault:
    return UpstreamFault(group=Group.GITHUB, name=name, begin=begin, outcome=outcome, **more)  # type: ignore[arg-type]


def _status(status: int, outcome: str, *, rare: bool = False) -> UpstreamFault:
    return _all(f"{status}", outcome, by_rules(rule(Kind.STATUS, upstream=GITHUB, status=status)), rare=rare)


def _everything(kind: Kind, name: str, outcome: str, *, rare: bool = False, **details: object) -> UpstreamFault:
    return _all(name, outcome, by_rules(rule(kind, upstream=GITHUB, **details)), rare=rare)


def _throttled(name: str, *, rare: bool = False, **details: object) -> UpstreamFault:
    return _all(
        name,
        "throttled",
        by_rules(rule(Kind.THROTTLE, upstream=GITHUB, **details)),
        rare=rare,
        check=manual_waits(Source.REPOSITORY),
    )


def _victims_list(route: str, kind: Kind, **details: object) -> Step:
    return by_rules(rule(kind, route=route, package=REPOSITORY, **details))


_rename, _renamed = _moved_to("octo", "another-name")
_transfer, _transferred = _moved_to("somebody-else", VICTIM)
_contributors = {"source": Source.CONTRIBUTORS}
_commits = {"source": Source.COMMITS}
_heads: dict[str, Any] = {"operation": "Heads"}

GITHUB_FAULTS = (
    _status(500, "transient"),
    _status(502, "overloaded"),
    _status(503, "transient", rare=True),
    _status(504, "overloaded", rare=True),
    _everything(Kind.HANG, "silence, then the line is closed", "transient", seconds=0.05, rare=True),
    _all(
        "silence for longer than we wait",
        "overloaded",
        both(wait_less, by_rules(rule(Kind.HANG, upstream=GITHUB, seconds=2 * OUR_TIME))),
        end=wait_as_usual,
    ),
    _everything(Kind.RESET, "connection reset", "transient", rare=True),
    _everything(Kind.TRUNCATE, "body cut short", "transient"),
    _everything(Kind.HTML, "a web page", "malformed"),
    _everything(Kind.WRONG_SHAPE, "JSON of another shape", "malformed", rare=True),
    _everything(Kind.OVERSIZE, "a body of 200 MB", "malformed"),
    _everything(Kind.REDIRECT_AWAY, "redirected to another host", "malformed"),
    _all("name not found (DNS)", "transient", _no_name, end=_right_address, rare=True),
    _all("TLS failure", "transient", _no_certificate, end=_right_address, rare=True),
    _all(
        "401 in mid-pass, token revoked",
        "unauthorized",
        _revoke,
        end=_restore,
        check=both(_few_requests, manual_waits(Source.REPOSITORY)),
    ),
    _all(
        "RATE_LIMITED as 200",
        "throttled",
        by_rules(rule(Kind.RATE_LIMITED, route="graphql")),
        check=manual_waits(Source.REPOSITORY),
    ),
    _all("resource limits of GraphQL", "overloaded", by_rules(rule(Kind.RESOURCE_LIMITS, route="graphql")), rare=True),
    _throttled("403 secondary limit, retry-after", status=403, retry_after=3_600),
    _throttled("403 secondary limit, nothing said", rare=True, status=403),
    _throttled("200 secondary limit of GraphQL", status=200, retry_after=3_600),
    _throttled("429, retry-after", rare=True, status=429, retry_after=3_600),
    _throttled("429, nothing said", status=429),
    _one("403 quota used up by others", "fetched", _used_up, tripped=(Reason.PRIMARY,)),
    _one("403 access blocked", "blocked", _blocked(Block.TERMS), end=_blocked(None)),
    _one("451", "blocked", _blocked(Block.LEGAL), end=_blocked(None), rare=True),
    _one(
        "403 not accessible",
        "blocked",
        _drops_a_newcomer(_victims_list("contributors", Kind.STATUS, status=403)),
        **_contributors,
    ),
    _one(
        "403 list too large",
        "blocked",
        _drops_a_newcomer(_facts(changes.Facts(contributors_too_large=True))),
        end=_facts(changes.Facts(contributors_too_large=False)),
        returns=46 * DAY,
        rare=True,
        **_contributors,
    ),
    _one("404, deleted", "gone", _delete, end=_put_back),
    _one("404, made private", "gone", _facts(changes.Facts(private=True)), end=_facts(changes.Facts(private=False))),
    _one(
        "301 loop", "malformed", _drops_a_newcomer(_victims_list("contributors", Kind.REDIRECT_LOOP)), **_contributors
    ),
    _one("GraphQL partial error", "overloaded", by_rules(rule(Kind.PARTIAL_ERROR, package=REPOSITORY))),
    _one("GraphQL cut short without error", "overloaded", by_rules(rule(Kind.OMIT, package=REPOSITORY))),
    _one(
        "history of one repository partial",
        "fetched",
        both(_push_everywhere, by_rules(rule(Kind.PARTIAL_ERROR, package=REPOSITORY, **_heads))),
        returns=WEEKS_MOVE_ON,
        **_commits,
    ),
    _one(
        "history of one repository missing without error",
        "fetched",
        both(_push_everywhere, by_rules(rule(Kind.OMIT, package=REPOSITORY, **_heads))),
        returns=WEEKS_MOVE_ON,
        **_commits,
    ),
    _one(
        "further pages of a history never answered",
        "fetched",
        both(_push_a_long_history, by_rules(rule(Kind.STATUS, package=REPOSITORY, operation="Pages", status=502))),
        returns=WEEKS_MOVE_ON,
        **_commits,
    ),
    _all(
        "502 for histories of more than one repository",
        "fetched",
        both(_push_everywhere, by_rules(rule(Kind.STATUS, status=502, more_than=1, **_heads))),
        **_commits,
    ),
    _one("forced push that drops somebody", "fetched", _drops_a_newcomer(nothing), **_contributors),
    _one(
        "list of contributors hours old",
        "fetched",
        _drops_a_newcomer(nothing),
        settings={"statistics": Statistics(contributors_lag=timedelta(hours=6))},
        **_contributors,
    ),
    _one("contributors draw level", "fetched", _draw_level, **_contributors),
    _one(
        "default branch missing",
        "fetched",
        both(_until_seen, _facts(changes.Facts(default_branch_missing=True))),
        end=_facts(changes.Facts(default_branch_missing=False)),
    ),
    _all("node ids of another form", "fetched", _node_ids(NodeIds.LEGACY), end=_node_ids(NodeIds.NEW)),
    _all(
        "participation without merges",
        "fetched",
        both(_until_seen, _participation(Participation.WITHOUT_MERGES)),
        end=_participation(Participation.WITH_MERGES),
        **_commits,
    ),
    _one("renamed", "fetched", _rename, check=_renamed),
    _one("transferred", "fetched", _transfer, check=_transferred, rare=True),
    _one("re-created with another id", "replaced", _recreate, end=_put_back, check=_reported),
    _one("archived", "fetched", _facts(changes.Facts(archived=True)), rare=True, check=_is_archived),
    _one("two packages, one repository", "fetched", _listed_again, end=_retired, check=_returned_as_one, rare=True),
    _one("emptied", "fetched", _empty, end=_put_back),
)
