"""Commit histories over GraphQL: their commits, order and pages."""

import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from shutil import which
from typing import Any

import pytest

from fetcher.simulator import changes
from fetcher.simulator.catalogue import seeds, synthetic
from fetcher.simulator.clock import Clock
from fetcher.simulator.git_log import git_log, limited
from fetcher.simulator.history import Author, Commit, WrittenHistory
from fetcher.simulator.repository import Repository
from fetcher.simulator.upstreams.github.node_ids import node_id_of
from fetcher.simulator.upstreams.github.options import GitHubOptions
from fetcher.simulator.world import World
from tests.harness.clock import NOW
from tests.unit.simulator.graphql_queries import answer_to, run_query

LESSCPY = "lesscpy/lesscpy"
ANN = Author("ann", "Ann", "ann@example.invalid")
COUNT = """
query($id: ID!, $oid: GitObjectID!) {
  node(id: $id) { ... on Repository { object(oid: $oid) { oid ... on Commit { history { totalCount } } } } }
}
"""
PAGE = """
query($id: ID!, $oid: GitObjectID!, $after: String, $since: GitTimestamp, $until: GitTimestamp) {
  node(id: $id) { ... on Repository { object(oid: $oid) { ... on Commit {
    history(first: 100, after: $after, since: $since, until: $until) {
      totalCount
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
      nodes { oid authoredDate committedDate author { name user { login } } parents { totalCount } }
    }
  } } } }
}
"""


def commit(oid: str, minute: int, *parents: str) -> Commit:
    """Return a commit by ann, committed some minutes after NOW."""
    moment = NOW + timedelta(minutes=minute)
    return Commit(oid, ANN, moment, moment, parents)


BRANCHED = WrittenHistory(
    [
        commit("root", 0),
        commit("side-1", 1, "root"),
        commit("side-2", 6, "side-1"),
        commit("main-1", 4, "root"),
        commit("main-2", 8, "main-1"),
        commit("merge", 9, "main-2", "side-2"),
    ]
)


def long_one(world: World) -> Repository:
    """Return a repository with more than two pages of commits."""
    found = (world.repository_by_id(known) for known in world.repository_ids())
    return next(one for one in found if one is not None and 200 < one.history.count < 400)


def history_of(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the connection in a response to PAGE."""
    return dict(answer["data"]["node"]["object"]["history"])


def test_the_order_is_that_of_git_log() -> None:
    """Commits of a merged branch are ordered among the others by their committer dates, from any commit on."""
    assert [one.oid for one in git_log(BRANCHED, "merge")] == ["merge", "main-2", "side-2", "main-1", "side-1", "root"]
    assert [one.oid for one in git_log(BRANCHED, "side-2")] == ["side-2", "side-1", "root"]


@pytest.mark.skipif(which("git") is None, reason="there is no git here to compare with")
def test_the_order_is_the_one_that_git_itself_lists(tmp_path: Path) -> None:
    """Git lists invented histories with merges, equal dates and clocks set back alike, with --since and without."""
    rng = Random(7)  # noqa: S311 - invented commits
    start = datetime(2026, 1, 1, tzinfo=UTC)
    moments = [start + timedelta(seconds=60 * number + rng.randrange(-200, 200) // 40 * 40) for number in range(300)]
    parents = [rng.sample(range(max(0, at - 6), at), min(at, rng.choice((1, 1, 2, 3)))) for at in range(300)]
    lines = []
    for at, (moment, before) in enumerate(zip(moments, parents, strict=True)):
        signature = f"Ann <ann@example.invalid> {int(moment.timestamp())} +0000"
        lines += [f"commit refs/heads/main\nmark :{at + 1}\nauthor {signature}\ncommitter {signature}\n"]
        lines += [f"data 3\n{at:03}\n"]
        lines += [f"{'merge' if number else 'from'} :{parent + 1}\n" for number, parent in enumerate(before)]
    marks = tmp_path / "marks"
    git = ["git", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q"], check=True)
    stream = "".join(lines).encode()
    subprocess.run([*git, "fast-import", "--quiet", "--force", f"--export-marks={marks}"], input=stream, check=True)
    number_of = {line.split()[1]: int(line.split()[0][1:]) - 1 for line in marks.read_text().splitlines()}
    oid_of = {number: oid for oid, number in number_of.items()}
    history = WrittenHistory(
        Commit(oid_of[at], ANN, moments[at], moments[at], tuple(oid_of[one] for one in parents[at]))
        for at in range(300)
    )
    since = start + timedelta(minutes=250)

    def listed(*options: str) -> list[str]:
        done = subprocess.run([*git, "log", "--format=%H", *options, "main"], check=True, capture_output=True)
        return done.stdout.decode().split()

    log = git_log(history, listed()[0])
    assert [one.oid for one in log] == listed()
    for stops, option in ((True, "since"), (False, "since-as-filter")):
        assert [one.oid for one in limited(log, since, None, stops=stops)] == listed(f"--{option}={since.isoformat()}")


def test_the_full_history_is_counted_without_reading_it() -> None:
    """The number of commits of the head, of an older commit and of one that a forced push left behind."""
    world = seeds(Clock(NOW))
    before = changes.repository_of(world, LESSCPY).history.commits()
    repository = changes.force_push(world, LESSCPY, dropped=2, commits=1)
    head = repository.history.tip
    assert head is not None

    for oid, count in ((head.oid, len(before) - 1), (before[4].oid, 5), (before[-1].oid, len(before))):
        answer = run_query(world, COUNT, id=node_id_of(repository), oid=oid)
        assert answer["data"]["node"]["object"] == {"oid": oid, "history": {"totalCount": count}}


def test_a_commit_that_is_not_there_is_null_without_an_error() -> None:
    """Neither an unknown oid nor a vanished one fails its neighbours."""
    world = seeds(Clock(NOW))
    old = changes.repository_of(world, LESSCPY).history.tip
    assert old is not None
    repository = changes.force_push(world, LESSCPY, dropped=1, vanished=True)

    for oid in (old.oid, "0" * 40):
        assert run_query(world, COUNT, id=node_id_of(repository), oid=oid) == {"data": {"node": {"object": None}}}


@pytest.mark.parametrize(
    ("expression", "found"), [("HEAD", True), ("main", True), ("refs/heads/main", True), ("v1", False)]
)
def test_a_revision_expression_names_the_default_branch(expression: str, *, found: bool) -> None:
    """HEAD and the default branch's name give its newest commit, another expression gives null."""
    world = seeds(Clock(NOW))
    repository = changes.repository_of(world, LESSCPY)
    text = "query($id: ID!, $e: String) { node(id: $id) { ... on Repository { object(expression: $e) { oid } } } }"
    shown = run_query(world, text, id=node_id_of(repository), e=expression)["data"]["node"]["object"]

    assert repository.history.tip is not None
    assert shown == ({"oid": repository.history.tip.oid} if found else None)


@pytest.mark.parametrize("opaque", [False, True])
def test_pages_join_to_the_full_history(*, opaque: bool) -> None:
    """Each cursor leads to the next page, whether it shows its commit and index or not."""
    world = synthetic(200, 1, Clock(NOW))
    repository = long_one(world)
    commits, oid = repository.history.commits(), repository.history.commits()[-1].oid
    pages: list[dict[str, Any]] = []
    after = None
    while not pages or pages[-1]["pageInfo"]["hasNextPage"]:
        options = GitHubOptions(opaque_cursors=opaque)
        pages.append(
            history_of(run_query(world, PAGE, options=options, id=node_id_of(repository), oid=oid, after=after))
        )
        after = pages[-1]["pageInfo"]["endCursor"]

    nodes = [node for page in pages for node in page["nodes"]]
    assert [node["oid"] for node in nodes] == [one.oid for one in git_log(repository.history, oid)]
    assert {page["totalCount"] for page in pages} == {len(commits)}
    assert [page["pageInfo"]["hasPreviousPage"] for page in pages] == [False] + [True] * (len(pages) - 1)
    assert (pages[0]["pageInfo"]["endCursor"] == f"{oid} 99") is not opaque
    assert nodes[0]["author"]["name"] == commits[-1].author.name
    assert nodes[0]["parents"]["totalCount"] == len(commits[-1].parents)


def test_a_cursor_may_be_computed_and_belongs_to_one_commit() -> None:
    """A cursor of GitHub's form is taken without having been given out; another commit's cursor is refused."""
    world = synthetic(200, 1, Clock(NOW))
    repository = long_one(world)
    log = git_log(repository.history, repository.history.commits()[-1].oid)
    given = {"id": node_id_of(repository), "oid": log[0].oid}
    page = history_of(run_query(world, PAGE, **given, after=f"{log[0].oid} 149"))
    wrong = [run_query(world, PAGE, **given, after=cursor) for cursor in (f"{log[1].oid} 99", "nonsense", log[0].oid)]

    assert page["nodes"][0]["oid"] == log[150].oid
    assert page["pageInfo"]["startCursor"] == f"{log[0].oid} 150"
    assert [one["errors"][0]["type"] for one in wrong] == ["INVALID_CURSOR_ARGUMENTS"] * 3


def test_dates_cut_the_history_and_its_count() -> None:
    """since and until compare committer dates; totalCount and the pages have only the commits between them."""
    world = seeds(Clock(NOW))
    repository = changes.repository_of(world, LESSCPY)
    world.put_repository(replace(repository, history=BRANCHED))
    given = {"id": node_id_of(repository), "oid": "merge"}
    since, until = ((NOW + timedelta(minutes=minute)).isoformat() for minute in (4, 8))

    def oids(**dates: str) -> tuple[int, list[str]]:
        found = history_of(run_query(world, PAGE, **given, **dates))
        return found["totalCount"], [node["oid"] for node in found["nodes"]]

    assert oids(since=since) == (4, ["merge", "main-2", "side-2", "main-1"])
    assert oids(since=since, until=until) == (3, ["main-2", "side-2", "main-1"])
    assert "GitTimestamp" in run_query(world, PAGE, **given, since="yesterday")["errors"][0]["message"]


@pytest.mark.parametrize(("stops", "left"), [(False, 2), (True, 0)])
def test_since_may_stop_at_the_first_older_commit(*, stops: bool, left: int) -> None:
    """A head with an old committer date hides the commits behind it only where since stops as git's does."""
    world = seeds(Clock(NOW))
    repository = changes.repository_of(world, LESSCPY)
    skewed = WrittenHistory([commit("root", 0), commit("young", 5, "root"), commit("head", -60, "young")])
    world.put_repository(replace(repository, history=skewed))
    options = GitHubOptions(since_stops=stops)
    answer = run_query(world, PAGE, options=options, id=node_id_of(repository), oid="head", since=NOW.isoformat())

    assert history_of(answer)["totalCount"] == left


@pytest.mark.parametrize(
    ("first", "kind"), [("first: 101", "EXCESSIVE_PAGINATION"), ("since: null", "MISSING_PAGINATION_BOUNDARIES")]
)
def test_a_page_needs_a_size_of_at_most_100(first: str, kind: str) -> None:
    """Nodes without ``first`` and more than 100 at once are errors."""
    world = seeds(Clock(NOW))
    head = f'object(expression: "HEAD") {{ ... on Commit {{ history({first}) {{ nodes {{ oid }} }} }} }}'
    query = f"query($id: ID!) {{ node(id: $id) {{ ... on Repository {{ {head} }} }} }}"

    assert run_query(world, query, id=node_id_of(changes.repository_of(world, LESSCPY)))["errors"][0]["type"] == kind


def test_aliased_histories_of_several_repositories_are_one_query() -> None:
    """An alias for each repository, with its own head and cursor, costs a connection each."""
    world = seeds(Clock(NOW))
    found = [one for known in world.repository_ids() if (one := world.repository_by_id(known))]
    declared = ", ".join(f"$i{at}: ID!, $h{at}: GitObjectID!, $a{at}: String" for at in range(len(found)))
    fields = " ".join(
        f"""r{at}: node(id: $i{at}) {{ ... on Repository {{ object(oid: $h{at}) {{ ... on Commit {{
        history(first: 1, after: $a{at}) {{ nodes {{ oid }} }} }} }} }} }}"""
        for at in range(len(found))
    )
    heads = [git_log(one.history, one.history.commits()[-1].oid) for one in found]
    variables: dict[str, Any] = {}
    for at, (one, log) in enumerate(zip(found, heads, strict=True)):
        variables |= {f"i{at}": node_id_of(one), f"h{at}": log[0].oid, f"a{at}": f"{log[0].oid} {at}"}
    answer = answer_to(world, f"query({declared}) {{ {fields} }}", **variables)

    assert answer.points == 1
    for at, log in enumerate(heads):
        nodes = answer.payload["data"][f"r{at}"]["object"]["history"]["nodes"]
        assert nodes == [{"oid": log[at + 1].oid}]
