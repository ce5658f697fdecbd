"""Histories of several pages: requested together if their cursors can be computed, otherwise one by one.

The oracle is the simulator's log. A server written here has faults that the simulator lacks.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fetcher.domain.commit_weeks import history_start, rolling_weeks
from fetcher.domain.model import (
    DETAIL_SOURCES,
    Commit,
    CommitDays,
    Contribution,
    Contributors,
    DueReason,
    Observed,
    OutcomeKind,
    Purpose,
    RepoRef,
    Source,
    SourceState,
    Target,
)
from fetcher.domain.outcome import Deferred, Fetched, Malformed, Throttled, Transient
from fetcher.domain.scheduling import Cadence
from fetcher.http.gateway import Gateway
from fetcher.http.messages import Answer, Request
from fetcher.quota import RetryAt
from fetcher.simulator import history as simulated
from fetcher.simulator.git_log import git_log, limited
from fetcher.simulator.repository import Repository
from fetcher.simulator.server import Service
from fetcher.simulator.upstreams.github.credentials import DEFAULT_TOKEN
from fetcher.simulator.upstreams.github.limits import Limits
from fetcher.simulator.upstreams.github.node_ids import node_id_of
from fetcher.simulator.upstreams.github.options import GitHubOptions
from fetcher.simulator.upstreams.registry import Settings
from fetcher.simulator.world import World
from fetcher.store.states import fold
from fetcher.upstreams.batching import BatchOutcome, BatchSize
from fetcher.upstreams.github.change_detection import Derived, History, derive
from fetcher.upstreams.github.details import DetailsRefresh
from fetcher.upstreams.github.histories import MOST_PAGES, PAGES_PER_QUERY, Histories, HistoryQuery, history_of
from fetcher.upstreams.github.limits import GITHUB, Route
from fetcher.upstreams.github.readers.history import Head
from fetcher.upstreams.github.requests import api_at
from tests.harness.clock import DAY, NOW, StoppedClock
from tests.harness.fakes import GenerousQuota, ScriptedTransport, SimulatorTransport, answer

ROOT = "https://github.example"
IDENTITIES = {GITHUB: "account:1"}
QUERY = HistoryQuery(history_start(NOW.date()), False, Purpose.BACKGROUND)
BOB = Contribution("bob", 5)
DATED = "2026-03-01T12:00:00Z"


def target(number: int, node_id: str | None = None) -> Target:
    """Return a package whose repository is known by its node id, with both details claimed."""
    repo = RepoRef("github.com", f"octo/r{number}")
    return Target(
        package_id=number,
        slug=f"r{number}",
        lease="lease",
        claimed=frozenset(DETAIL_SOURCES),
        repo=repo,
        handle=node_id or f"R_{number}",
        repository_id=str(number),
        project=None,
        head_oid="old",
    )


# --- the simulator ------------------------------------------------------------------------------------------------


def repository(number: int, commits: int) -> Repository:
    """Return a repository with ``commits`` commits, an hour apart, every tenth by a second author."""
    authors = [simulated.Author(login, login, f"{login}@example.invalid") for login in ("ann", "bob")]
    made: list[simulated.Commit] = []
    for place in range(commits):
        at = NOW - (commits - place) * timedelta(hours=1)
        parents = (made[-1].oid,) if made else ()
        made.append(simulated.Commit(f"{number:08}{place:032}", authors[place % 10 == 0], at, at, parents))
    history = simulated.WrittenHistory(made)
    return Repository(
        database_id=number, owner="octo", name=f"r{number}", created_at=NOW, pushed_at=NOW, history=history
    )


def logged(found: Repository) -> tuple[Commit, ...]:
    """Return the true log of the year, as commits."""
    if found.history.tip is None:
        return ()
    log = limited(git_log(found.history, found.history.tip.oid), QUERY.since, None)
    return tuple(Commit(one.oid, one.author.login, one.authored_at.date(), one.is_merge) for one in log)


@pytest.mark.parametrize(("opaque", "rounds"), [(False, 1), (True, 4)], ids=["GitHub's cursors", "opaque cursors"])
async def test_every_commit_comes_once_and_in_order(opaque: bool, rounds: int) -> None:  # noqa: FBT001
    """Histories of any length are read in full, in one round of pages if cursors can be computed."""
    clock = StoppedClock(NOW)
    world = World(clock)
    repositories = [repository(number, count) for number, count in enumerate((1, 99, 100, 101, 200, 201, 450), 1)]
    for one in repositories:
        world.put_repository(one)
    service = Service(world, Settings(limits=Limits(enforced=False), github=GitHubOptions(opaque_cursors=opaque)))
    async with aclosing(SimulatorTransport(service, DEFAULT_TOKEN)) as transport:
        api = api_at(transport.github)
        size = BatchSize(100)
        histories = Histories(Gateway(transport, GenerousQuota(), clock, IDENTITIES), api, size)
        targets = [target(one.database_id, node_id_of(one)) for one in repositories]
        heads = await histories.heads(targets, QUERY)
        assert all(isinstance(head, Fetched) for head in heads.values())
        read = await histories.complete({n: h.value for n, h in heads.items() if isinstance(h, Fetched)}, QUERY)
    for one in repositories:
        history = read[one.database_id]
        assert isinstance(history, Fetched)
        assert history.value.commits == logged(one)
        assert history.value.total == one.history.count
        assert (history.value.oid, history.value.pushed_at) == (one.history.tip and one.history.tip.oid, NOW)
    queries = [number for (_, route, _), number in service.state.journal.requests.items() if route == "graphql"]
    assert sum(queries) == 1 + rounds


# --- a server that misbehaves -------------------------------------------------------------------------------------


@dataclass
class Line:
    """One repository's history on the server: ``count`` commits, all of them newer than a year."""

    count: int
    oid: str = "f" * 40
    announced: int | None = None
    """The value of ``totalCount`` if it differs from ``count``."""
    pushed_at: str = "2026-03-18T11:00:00Z"
    opaque: bool = False
    per_page: int = 100
    """Commits of every page except the first, which always has 100."""
    place_of: Callable[[int], int] = lambda place: place
    """Start of a page whose cursor was computed and not returned by the server."""
    missing: frozenset[int] = frozenset()
    """Indexes of commits that are null."""
    stuck: bool = False
    """True if every page repeats the first one."""
    handed_out: set[str] = field(default_factory=set)
    known: frozenset[str] = frozenset()
    """Cursors that the server returned before the present query."""

    def history(self, after: str | None) -> dict[str, Any]:
        """Return one page of the connection."""
        start = 0 if after is None or self.stuck else self._start(after)
        end = min(start + (100 if after is None else self.per_page), self.count)
        nodes = [
            None
            if place in self.missing
            else {"oid": f"{self.oid[:8]}{place:032}", "authoredDate": DATED, "author": {"user": {"login": "ann"}}}
            for place in range(start, end)
        ]
        cursor = f"opaque:{end - 1}" if self.opaque else f"{self.oid} {end - 1}"
        self.handed_out.add(cursor)
        return {
            "totalCount": self.count if self.announced is None else self.announced,
            "pageInfo": {"hasNextPage": self.stuck or end < self.count, "endCursor": cursor},
            "nodes": nodes,
        }

    def _start(self, after: str) -> int:
        place = int(after.replace(":", " ").split()[1]) + 1
        return min(place if after in self.known else self.place_of(place), self.count)


@dataclass
class Server:
    """A server of queries for heads and pages that records the references in each query for pages."""

    lines: dict[str, Line]
    interfere: Callable[[int], Answer | None] = lambda number: None
    """Override of the response to the query for pages with this number."""
    vanished: frozenset[str] = frozenset()
    """Repositories whose head a forced push removed before its pages were requested."""
    contributors: Answer = field(default_factory=lambda: answer([]))
    pages: list[list[tuple[str, str]]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    quota: GenerousQuota = field(default_factory=GenerousQuota)

    def histories(self, size: int = 100) -> Histories:
        """Return the tested histories, connected to this server."""
        return Histories(self.gateway(), api_at(ROOT), BatchSize(size))

    def gateway(self) -> Gateway:
        """Return a gateway to this server."""
        clock = StoppedClock(NOW)
        transport = ScriptedTransport(self.answer, [ROOT])
        return Gateway(transport, self.quota, clock, IDENTITIES, sleep=clock.sleep)

    def answer(self, request: Request) -> Answer:
        """Return the response to one request."""
        self.requests.append(request)
        for line in self.lines.values():
            line.known = frozenset(line.handed_out)
        if request.route == Route.CONTRIBUTORS:
            return self.contributors
        if request.route == Route.PARTICIPATION:
            return answer({"all": [1] * 52})
        variables = json.loads(request.body or b"")["variables"]
        if "ids" in variables:
            return answer({"data": {"nodes": [self._head(node_id) for node_id in variables["ids"]]}})
        wanted = [(variables[f"i{n}"], variables[f"a{n}"]) for n in range((len(variables) - 1) // 3)]
        self.pages.append(wanted)
        interfered = self.interfere(len(self.pages))
        if interfered is not None:
            return interfered
        return answer({"data": {f"r{n}": {"object": self._page(*page)} for n, page in enumerate(wanted)}})

    def _head(self, node_id: str) -> dict[str, Any]:
        line = self.lines[node_id]
        tip = {"oid": line.oid, "all": {"totalCount": line.count}, "history": line.history(None)}
        return {
            "id": node_id,
            "databaseId": int(node_id.removeprefix("R_")),
            "isEmpty": False,
            "pushedAt": line.pushed_at,
            "defaultBranchRef": {"target": tip},
        }

    def _page(self, node_id: str, after: str) -> dict[str, Any] | None:
        return None if node_id in self.vanished else {"history": self.lines[node_id].history(after)}


def served(*lines: Line) -> Server:
    """Return a server of these histories, starting with ``R_1``."""
    return Server({f"R_{number}": replace(line, handed_out=set()) for number, line in enumerate(lines, 1)})


async def read(
    server: Server, query: HistoryQuery = QUERY, size: int = 100
) -> tuple[dict[int, Head], dict[int, BatchOutcome[History]]]:
    """Request all heads, which must be returned, and their histories."""
    histories = server.histories(size)
    outcomes = await histories.heads([target(int(node_id.removeprefix("R_"))) for node_id in server.lines], query)
    heads = {number: head.value for number, head in outcomes.items() if isinstance(head, Fetched)}
    assert heads.keys() == outcomes.keys()
    return heads, await histories.complete(heads, query)


def is_complete(outcome: BatchOutcome[History], line: Line) -> bool:
    """Return whether every commit of ``line`` was read, in order."""
    assert isinstance(outcome, Fetched)
    return [commit.oid for commit in outcome.value.commits] == [f"{line.oid[:8]}{n:032}" for n in range(line.count)]


def places(query: Sequence[tuple[str, str]]) -> list[int]:
    """Return the indexes after which a query's pages start."""
    return [int(after.replace(":", " ").split()[1]) for _, after in query]


async def test_all_pages_at_once() -> None:
    """Pages of all repositories are requested in one query if their cursors can be computed."""
    lines = [Line(350, "a" * 40), Line(100, "b" * 40), Line(201, "c" * 40)]
    server = served(*lines)
    heads, outcomes = await read(server)
    assert [places(query) for query in server.pages] == [[99, 199, 299, 99, 199]]
    for number, line in enumerate(lines, 1):
        assert is_complete(outcomes[number], line)
        history = outcomes[number]
        assert isinstance(history, Fetched)
        assert (history.value.oid, history.value.total) == (line.oid, line.count)
        assert history.value.pushed_at == heads[number].pushed_at == NOW - timedelta(hours=1)


async def test_pages_are_requested_in_batches_that_adapt() -> None:
    """A query has as many pages as the heads' adapted batch size, and grows with quick responses."""
    server = served(Line(2_150))
    _, outcomes = await read(server, size=10)
    assert is_complete(outcomes[1], server.lines["R_1"])
    assert [len(query) for query in server.pages] == [10, 11]


async def test_a_single_page_needs_no_further_request() -> None:
    """A history of up to 100 commits is complete with its head."""
    server = served(Line(0), Line(100))
    heads, outcomes = await read(server)
    assert is_complete(outcomes[1], server.lines["R_1"])
    assert outcomes[2] == Fetched(history_of(heads[2]))
    assert server.pages == []


async def test_opaque_cursors_lead_from_page_to_page() -> None:
    """Without computable cursors, each page is requested after the one before."""
    server = served(Line(350, opaque=True))
    _, outcomes = await read(server)
    assert is_complete(outcomes[1], server.lines["R_1"])
    assert [places(query) for query in server.pages] == [[99], [199], [299]]


@pytest.mark.parametrize(
    ("line", "rounds"),
    [
        (Line(350, place_of=lambda place: place - 20), [[99, 199, 299], [99], [199], [299]]),
        (Line(350, place_of=lambda place: place + 1), [[99, 199, 299], [99], [199], [299]]),
        (Line(350, place_of=lambda place: 0), [[99, 199, 299], [99], [199], [299]]),
        (Line(300, place_of=lambda place: 100), [[99, 199], [99], [199]]),
        (Line(290, per_page=80), [[99, 199], [99], [179], [259]]),
    ],
    ids=["overlaps", "gaps", "first page", "the page before", "smaller pages"],
)
async def test_computed_cursors_that_lead_elsewhere(line: Line, rounds: list[list[int]]) -> None:
    """If pages requested together overlap or leave gaps, the history is read again page by page."""
    other = Line(250, "e" * 40)
    server = served(line, other)
    _, outcomes = await read(server)
    assert is_complete(outcomes[1], line)
    assert is_complete(outcomes[2], other)
    first, *following = [places([page for page in query if page[0] == "R_1"]) for query in server.pages]
    assert [first, *following] == rounds
    assert places([page for page in server.pages[0] if page[0] == "R_2"]) == [99, 199]
    assert all(node_id == "R_1" for query in server.pages[1:] for node_id, _ in query)


@pytest.mark.parametrize(
    ("line", "published", "announced"),
    [
        (Line(250, announced=251), 250, 251),
        (Line(250, announced=249), 250, 249),
        (Line(250, missing=frozenset({7})), 249, 250),
        (Line(250, missing=frozenset({170})), 249, 250),
        (Line(250, missing=frozenset({249})), 249, 250),
        (Line(100, announced=101), 100, 101),
        (Line(99, missing=frozenset({0})), 98, 99),
    ],
)
async def test_commits_that_are_missing_for_good(line: Line, published: int, announced: int) -> None:
    """A history with fewer commits than announced is malformed and fails alone."""
    server = served(line, Line(150, "e" * 40))
    _, outcomes = await read(server)
    assert outcomes[1] == Malformed(f"history: {published} commits came back where {announced} were announced")
    assert is_complete(outcomes[2], server.lines["R_2"])


@pytest.mark.parametrize("opaque", [False, True])
@pytest.mark.parametrize("count", [150, 200, 300, 950])
async def test_a_server_that_repeats_a_page(count: int, opaque: bool) -> None:  # noqa: FBT001
    """A repeated page ends as malformed, after at most as many pages as the history has."""
    server = served(Line(count, opaque=opaque, stuck=True))
    _, outcomes = await read(server)
    assert isinstance(outcomes[1], Malformed)
    assert sum(map(len, server.pages)) <= 2 * -(-count // 100)


async def test_a_server_whose_pages_are_empty() -> None:
    """A page without a commit ends the history, even if it names a next one."""
    empty = {"totalCount": 250, "pageInfo": {"hasNextPage": True, "endCursor": "opaque:99"}, "nodes": []}
    server = served(Line(250, opaque=True))
    server.interfere = lambda number: answer({"data": {"r0": {"object": {"history": empty}}}})
    _, outcomes = await read(server)
    assert outcomes[1] == Malformed("history: 100 commits came back where 250 were announced")
    assert len(server.pages) == 1


async def test_a_quota_that_is_spent_defers_the_incomplete() -> None:
    """Incomplete histories are deferred unchanged, and complete ones stay."""
    server = served(Line(350), Line(20, "e" * 40))
    later = NOW + timedelta(minutes=30)
    server.quota.refusals.extend([None, RetryAt(later, "quota")])
    _, outcomes = await read(server)
    assert outcomes[1] == Deferred(later, "quota")
    assert is_complete(outcomes[2], server.lines["R_2"])
    assert server.pages == []


async def test_a_quota_that_is_spent_between_two_pages() -> None:
    """Pages read before the deferral are not taken for the full history."""
    server = served(Line(350, opaque=True))
    server.quota.refusals.extend([None, None, RetryAt(NOW + timedelta(minutes=30), "quota")])
    _, outcomes = await read(server)
    assert outcomes[1] == Deferred(NOW + timedelta(minutes=30), "quota")
    assert len(server.pages) == 1


async def test_pages_fill_their_points() -> None:
    """Queries for pages grow until 140 pages share a point; the costs in the ledger are those by connections."""
    server = served(*(Line(3_000, f"{n:x}" * 40) for n in range(10)))
    histories = server.histories()
    outcomes = await histories.heads([target(n) for n in range(1, 11)], QUERY)
    heads = {number: head.value for number, head in outcomes.items() if isinstance(head, Fetched)}
    for _ in range(3):
        server.pages.clear()
        server.requests.clear()
        read = await histories.complete(heads, QUERY)
        assert all(isinstance(history, Fetched) for history in read.values())
    assert [len(pages) for pages in server.pages] == [PAGES_PER_QUERY, PAGES_PER_QUERY, 10]
    assert [request.points for request in server.requests] == [1, 1, 1]


async def test_a_page_may_wait_a_moment_for_the_quota() -> None:
    """A history that was begun is completed seconds later, where a head would be deferred."""
    soon = RetryAt(NOW + timedelta(seconds=2), "quota")
    server = served(Line(350))
    server.quota.refusals.extend([None, soon])
    _, outcomes = await read(server)
    assert is_complete(outcomes[1], server.lines["R_1"])
    server.quota.refusals.append(soon)
    assert await server.histories().heads([target(1)], QUERY) == {1: Deferred(soon.until, "quota")}


@pytest.mark.parametrize("number", [1, 2])
async def test_a_limit_ends_the_round(number: int) -> None:
    """Throttled pages do not count as missing commits: every history that waits for one is throttled."""
    limited_ = answer({"message": "You have exceeded a secondary rate limit"}, 429, {"retry-after": "60"})
    server = served(Line(350, opaque=number == 2), Line(350, "e" * 40, opaque=number == 2))
    server.interfere = lambda query: limited_ if query == number else None
    _, outcomes = await read(server)
    for outcome in outcomes.values():
        assert isinstance(outcome, Throttled)
        assert outcome.retry_after == timedelta(seconds=60)
    assert len(server.pages) == number


async def test_a_head_that_vanished_between_two_pages() -> None:
    """A forced push between two pages is a temporary failure of that repository alone."""
    server = served(Line(350), Line(350, "e" * 40))
    server.vanished = frozenset({"R_1"})
    _, outcomes = await read(server)
    assert isinstance(outcomes[1], Transient)
    assert is_complete(outcomes[2], server.lines["R_2"])


async def test_a_query_that_is_too_much_is_divided() -> None:
    """Pages that exceed one query are requested in smaller ones."""
    server = served(Line(850))
    server.interfere = lambda number: answer({}, 502) if number == 1 else None
    _, outcomes = await read(server)
    assert is_complete(outcomes[1], server.lines["R_1"])
    assert [len(query) for query in server.pages] == [8, 4, 4]


async def test_heads_are_found_by_their_packages() -> None:
    """Each head or failure belongs to the package whose node id was requested at its index."""
    server = served(Line(3, "a" * 40), Line(5, "b" * 40), Line(7, "c" * 40))
    outcomes = await server.histories(2).heads([target(3), target(1), target(2)], QUERY)
    assert {number: head.value.total for number, head in outcomes.items() if isinstance(head, Fetched)} == {
        1: 3,
        2: 5,
        3: 7,
    }
    server.quota.refusals.append(RetryAt(NOW + timedelta(hours=1), "quota"))
    outcomes = await server.histories().heads([target(1), target(2)], QUERY)
    assert outcomes == {number: Deferred(NOW + timedelta(hours=1), "quota") for number in (1, 2)}


@pytest.mark.parametrize("parents", [False, True])
async def test_parents_are_requested_with_every_page(parents: bool) -> None:  # noqa: FBT001
    """A history for recognising merges has the parents of all its commits, for the given purpose."""
    server = served(Line(150))
    await read(server, HistoryQuery(QUERY.since, parents, Purpose.MANUAL))
    assert len(server.requests) == 2
    for request in server.requests:
        assert (b"parents" in (request.body or b"")) is parents
    assert {request.purpose for request in server.quota.requests} == {Purpose.MANUAL}


# --- the caller ---------------------------------------------------------------------------------------------------


async def refreshed(server: Server, claimed: Target) -> dict[Source, Observed]:
    """Refresh the details of one package, and return the records of each source."""
    gateway, clock = server.gateway(), StoppedClock(NOW)
    histories = Histories(gateway, api_at(ROOT), BatchSize(100))
    details = DetailsRefresh(gateway, clock, api_at(ROOT), Cadence(), False, histories, asyncio.Semaphore(8))
    records = await details.refresh([claimed], Purpose.BACKGROUND, merges=True)
    return {record.source: record for record in records if isinstance(record, Observed)}


@pytest.mark.parametrize(("count", "paged"), [(100 * MOST_PAGES, True), (100 * MOST_PAGES + 1, False)])
async def test_a_history_that_is_too_long_is_not_paged(count: int, paged: bool) -> None:  # noqa: FBT001
    """Over 10,000 commits a year are counted by GitHub's own statistics, and no page of them is requested."""
    server = served(Line(count))
    records = await refreshed(server, target(1))
    days = records[Source.COMMITS].values
    assert isinstance(days, CommitDays)
    assert days.total == count
    assert sum(rolling_weeks(days, NOW.date())) == (count if paged else 52)
    assert sum(map(len, server.pages)) == (MOST_PAGES - 1 if paged else 0)
    assert [request.route for request in server.requests].count(Route.PARTICIPATION) == (not paged)


@pytest.mark.parametrize(
    ("pushed_at", "due_at"),
    [
        ("2026-03-18T00:00:00Z", datetime(2026, 3, 19, tzinfo=UTC)),
        ("2026-03-17T23:59:59Z", NOW + timedelta(days=7)),
    ],
)
async def test_weeks_from_participation_are_moved_on(pushed_at: str, due_at: datetime) -> None:
    """Participation lacks today's commits and states weeks: it is requested again at midnight, or in a week."""
    server = served(Line(100 * MOST_PAGES + 1, pushed_at=pushed_at))
    record = (await refreshed(server, target(1)))[Source.COMMITS]
    assert (record.due_at, record.due_reason) == (due_at, DueReason.WEEKS)


async def test_weeks_from_a_history_need_no_further_request() -> None:
    """Days that were counted from commits are exact on every later day, until the slow re-check."""
    record = (await refreshed(served(Line(250)), target(1)))[Source.COMMITS]
    assert record.due_reason is DueReason.RECHECK


async def test_a_refused_list_describes_no_new_head() -> None:
    """Authors of commits between the stored list and the one refused for its size are found after the next push."""
    stored = SourceState(Source.CONTRIBUTORS, GITHUB, NOW - 40 * DAY, NOW - 40 * DAY, "old", due_at=NOW, lease="lease")
    claimed = replace(target(1), states={Source.CONTRIBUTORS: stored}, contributors=Contributors((BOB,)))
    server = served(Line(3))
    server.contributors = answer({"message": "The history or contributor list is too large to list contributors"}, 403)
    records = await refreshed(server, claimed)
    assert records[Source.CONTRIBUTORS].outcome is OutcomeKind.BLOCKED
    days = records[Source.COMMITS]
    assert isinstance(days.values, CommitDays)
    states = {
        Source.CONTRIBUTORS: fold(stored, records[Source.CONTRIBUTORS], NOW),
        Source.COMMITS: fold(SourceState(Source.COMMITS, lease="lease"), days, NOW),
    }
    assert states[Source.COMMITS].revision == "f" * 40
    authors = (("new", "cho"), ("f" * 40, "ann"), ("2", "ann"), ("1", "ann"))
    history = History("new", 4, tuple(Commit(oid, login, NOW.date()) for oid, login in authors), NOW)
    derived = derive(replace(claimed, states=states, commit_days=days.values), history)
    assert derived == Derived(Contributors((BOB, Contribution("ann", 3), Contribution("cho", 1))), DueReason.SETTLING)
