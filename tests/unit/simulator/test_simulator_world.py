"""Worlds: their contents, their changes, and synthetic packages that cost nothing until requested."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median, quantiles

import pytest

from fetcher.simulator import changes
from fetcher.simulator.catalogue import CatalogueError, documents, from_folder, seeds, synthetic, write_catalogue
from fetcher.simulator.clock import Clock
from fetcher.simulator.git_log import by_oid, git_log, limited
from fetcher.simulator.history import contributors, participation
from fetcher.simulator.project import Project, ProjectStatus, Release
from fetcher.simulator.repository import Repository
from fetcher.simulator.upstreams.github.node_ids import NodeIds, database_id_of, node_id, node_id_of
from fetcher.simulator.world import World
from tests.harness.clock import NOW
from tests.harness.seeds import SEEDS


def repositories(world: World) -> list[Repository]:
    return [one for known in world.repository_ids() if (one := world.repository_by_id(known)) is not None]


def logins(repository: Repository) -> list[str | None]:
    return [one.author.login for one in contributors(repository.history.commits())[0]]


def test_a_synthetic_package_is_the_same_each_time() -> None:
    """Two worlds of one seed agree on every fact, another seed does not."""
    first, second, other = (synthetic(50, seed, Clock(NOW)) for seed in (1, 1, 2))

    for mine, same in zip(repositories(first), repositories(second), strict=True):
        assert mine.history.commits() == same.history.commits()
        assert (mine.full_name, mine.stars, node_id_of(mine)) == (same.full_name, same.stars, node_id_of(same))
    assert [one.stars for one in repositories(first)] != [one.stars for one in repositories(other)]


def test_the_tip_known_without_the_history_is_its_newest_commit() -> None:
    """GraphQL's cheap answer and the commits list agree on the head."""
    for repository in repositories(synthetic(200, 3, Clock(NOW))):
        commits, tip = repository.history.commits(), repository.history.tip
        if tip is not None:
            newest = commits[-1]
            assert (tip.oid, tip.committed_at, tip.authored_at) == (
                newest.oid,
                newest.committed_at,
                newest.authored_at,
            )
            assert tip.parents == len(newest.parents)


def test_synthetic_spreads_are_those_of_a_directory() -> None:
    """About two fifths are active, some lists need a second and a third page, some authors are anonymous."""
    world = synthetic(1_000, 0, Clock(NOW))
    counts, active = [], []
    for one in repositories(world):
        commits = one.history.commits()
        counts.append(contributors(commits))
        active.append(sum(participation(commits, NOW.date())) > 0)

    assert 300 < sum(active) < 500
    assert sum(len(accounts) > 100 for accounts, _ in counts) > 5
    assert any(len(accounts) > 200 for accounts, _ in counts)
    assert any(anonymous for _, anonymous in counts)
    assert any(one.empty for one in repositories(world))


@pytest.mark.slow
def test_synthetic_commits_a_year_are_log_normal() -> None:
    """Of packages with a head of the last year: median 10, 90th percentile 150, some thousands, 5,000 at most."""
    histories = [one.history for one in repositories(synthetic(3_000, 0, Clock(NOW)))]
    year_ago = NOW - timedelta(weeks=52)
    active = [one for one in histories if one.tip is not None and one.tip.committed_at > year_ago]
    counts = [sum(commit.committed_at > year_ago for commit in one.commits()) for one in active]
    centiles = quantiles(counts, n=100)

    assert 0.37 < len(active) / len(histories) < 0.43
    assert 8 <= centiles[49] <= 12
    assert 115 <= centiles[89] <= 190
    assert max(counts) <= 5_000
    assert sum(count > 1_000 for count in counts) > 5
    assert median(one.count / count for one, count in zip(active, counts, strict=True)) > 3
    assert sum(one.count > count for one, count in zip(active, counts, strict=True)) > 0.95 * len(active)


def test_synthetic_branches_are_real() -> None:
    """Merges join commits that the history has; all are reachable, counted beforehand, and dated in their order."""
    merges = commits = merged_heads = 0
    for one in repositories(synthetic(300, 2, Clock(NOW))):
        history, tip = one.history, one.history.tip
        if tip is None:
            continue
        log = git_log(history, tip.oid)
        dates = [commit.committed_at for commit in history.commits()]
        roots = [commit for commit in log if not commit.parents]

        assert {commit.oid for commit in log} == {commit.oid for commit in history.commits()}
        assert len(log) == history.count
        assert len(roots) == 1
        assert all(parent in by_oid(history) for commit in log for parent in commit.parents)
        assert dates == sorted(dates)
        assert all(commit.authored_at <= commit.committed_at for commit in log)
        commits += len(log)
        merges += sum(commit.is_merge for commit in log)
        merged_heads += tip.parents > 1

    assert 0.06 < merges / commits < 0.1
    assert 60 < merged_heads < 120


@pytest.mark.parametrize("year", [2026, 2030])
def test_a_document_is_served_exactly_and_needs_its_merges(year: int) -> None:
    """Each year's day gives the documents' counts and contributors; without merges, both would be wrong."""
    now = NOW.replace(year=year)
    world = seeds(Clock(now))
    recent = wanting = 0
    for path in SEEDS.iterdir():
        document = json.loads(path.read_text("utf-8"))
        repository = changes.repository_of(world, document["repo_url"].removeprefix("https://github.com/"))
        log = git_log(repository.history, repository.history.commits()[-1].oid)
        since = now - timedelta(days=370)
        weeks = document["commits_over_52"]
        recent += sum(weeks) > 0
        wanting += participation(log, now.date(), merges=False) != weeks

        assert len(log) == repository.history.count
        assert participation(limited(log, since, None), now.date()) == participation(log, now.date()) == weeks
        assert logins(repository) == document["participants"]
        assert log[0].committed_at == datetime.fromisoformat(document["last_updated"])
        without = contributors(one for one in log if not one.is_merge)[0]
        assert len(without) == len(document["participants"]) - 1

    assert wanting == recent == 3


def test_a_million_packages_are_made_one_by_one() -> None:
    """A world of a million packages serves its last one without creating the others."""
    world = synthetic(1_000_000, 0, Clock(NOW))
    last = world.repository_by_id(world.repository_ids()[-1])

    assert last is not None
    assert world.repository(last.full_name.upper()) == last
    assert world.project(last.name.replace("-", "_")) is not None


@pytest.mark.parametrize(
    ("form", "number", "expected"),
    [
        (NodeIds.NEW, 1_007_386_278, "R_kgDOPAt-pg"),
        (NodeIds.LEGACY, 332_135_400, "MDEwOlJlcG9zaXRvcnkzMzIxMzU0MDA="),
    ],
)
def test_a_node_id_holds_its_number(form: NodeIds, number: int, expected: str) -> None:
    """The global id is one that GitHub gave out and leads back to the number; nonsense leads nowhere."""
    assert node_id("Repository", number, form) == expected
    assert database_id_of(expected) == number
    assert database_id_of(node_id("User", 700_000_123, form)) is None
    for nonsense in ("R_nonsense", "R_nonsense!", "MDEw", "", "é"):
        assert database_id_of(nonsense) is None


def test_a_renamed_and_transferred_repository_is_found_under_every_name() -> None:
    """Old names lead to the repository as it is now, with the number it always had."""
    world = seeds(Clock(NOW))
    before = world.repository("lesscpy/lesscpy")
    changes.rename(world, "lesscpy/lesscpy", "lessc")
    after = changes.rename(world, "lesscpy/lessc", "lessc", "jazzband")

    assert before is not None
    assert after.database_id == before.database_id
    assert world.repository("lesscpy/lesscpy") == world.repository("LESSCPY/lessc") == after


def test_a_recreated_repository_has_the_name_but_not_the_number() -> None:
    """Repo-jacking: the name answers again, the old number is gone."""
    world = synthetic(3, 0, Clock(NOW))
    before = repositories(world)[0]
    after = changes.recreate(world, before.full_name)

    assert world.repository(before.full_name) == after
    assert after.database_id != before.database_id
    assert world.repository_by_id(before.database_id) is None


def test_pushes_move_the_head_and_the_counts() -> None:
    """A push adds commits, a new author, and a late merge with commits older than the newest ones."""
    world = seeds(Clock(NOW))
    full_name = "lesscpy/lesscpy"
    changes.push(world, full_name, changes.Push(commits=2, login="newcomer", age=timedelta(days=10), merge=True))
    tomorrow = (NOW + timedelta(days=1)).date()
    repository = changes.repository_of(world, full_name)

    assert repository.history.commits()[-1].is_merge
    assert participation(repository.history.commits(), tomorrow)[-2:] == [2, 1]
    assert "newcomer" in logins(repository)


def test_an_old_branch_merged_late_stands_behind_the_head_of_before() -> None:
    """Its commits have old committer dates and an old fork point; only the merge is new in git's order."""
    world = seeds(Clock(NOW))
    full_name = "codingjoe/django-vies"
    before = changes.repository_of(world, full_name).history
    late = changes.Push(commits=3, login="newcomer", committed_age=timedelta(days=90))
    after = changes.push(world, full_name, late).history
    assert before.tip is not None
    assert after.tip is not None
    log = git_log(after, after.tip.oid)
    new = [at for at, commit in enumerate(log) if commit.author.login == "newcomer"]
    fork_point = next(one for one in log if one.oid in log[new[-1]].parents)

    assert len(new) == 4
    assert (new[0], log[1].oid, after.tip.parents) == (0, before.tip.oid, 2)
    assert all(at > 5 for at in new[1:])
    assert (
        fork_point.committed_at <= log[new[-1]].committed_at == after.tip.committed_at - timedelta(days=90, minutes=3)
    )
    assert [one.committed_at for one in log] == sorted((one.committed_at for one in log), reverse=True)
    assert after.count == before.count + 4 == len(log)


def test_a_branch_older_than_the_repository_leaves_its_first_commit() -> None:
    """There is no earlier commit to leave; nothing is lost."""
    world = synthetic(3, 0, Clock(NOW))
    full_name = changes.recreate(world, repositories(world)[0].full_name, commits=2).full_name
    after = changes.push(world, full_name, changes.Push(committed_age=timedelta(days=90))).history

    assert [len(one.parents) for one in after.commits()] == [0, 1, 1, 2]
    assert after.commits()[2].parents == (after.commits()[0].oid,)


def test_a_forced_push_drops_branches_of_dropped_merges() -> None:
    """As git reset does: back along the first parents."""
    world = seeds(Clock(NOW))
    before = changes.repository_of(world, "lesscpy/lesscpy").history
    changes.push(world, "lesscpy/lesscpy", changes.Push(commits=3, merge=True))
    after = changes.force_push(world, "lesscpy/lesscpy", dropped=1, commits=1)

    assert after.history.commits()[:-1] == before.commits()


def test_a_forced_push_leaves_the_old_line_behind() -> None:
    """The dropped commits are off the branch and still kept for comparing, unless they vanished."""
    world = seeds(Clock(NOW))
    before = changes.repository_of(world, "lesscpy/lesscpy")
    after = changes.force_push(world, "lesscpy/lesscpy", dropped=2, commits=1)
    vanished = changes.force_push(world, "lesscpy/lesscpy", vanished=True)

    assert len(after.history.commits()) == len(before.history.commits()) - 1
    assert after.abandoned == (before.history,)
    assert vanished.abandoned == ()


def test_a_replaced_history_is_remembered_for_as_long_as_it_is_needed() -> None:
    """The history of a moment, the oldest known one for earlier moments; histories out of reach are dropped."""
    world = seeds(Clock(NOW))
    world.remembered = timedelta(hours=2)
    first = changes.repository_of(world, "lesscpy/lesscpy").history
    pushed_at = world.clock.now()
    changes.push(world, "lesscpy/lesscpy")
    world.clock.advance(timedelta(hours=1))
    changes.set_facts(world, "lesscpy/lesscpy", changes.Facts(stars=1))
    last = changes.push(world, "lesscpy/lesscpy")
    second = world.history_at(last, world.clock.now() - timedelta(minutes=30))

    assert world.history_at(last, pushed_at - timedelta(days=1)) is first
    assert second.count == first.count + 1
    assert world.history_at(last, world.clock.now()) is last.history
    world.clock.advance(timedelta(hours=1, minutes=30))
    last = changes.push(world, "lesscpy/lesscpy")
    assert world.history_at(last, pushed_at - timedelta(days=1)) is second


def test_a_new_repository_has_no_earlier_history() -> None:
    """Contributors of a repository younger than the lag are those of its first commits."""
    world = seeds(Clock(NOW))
    world.remembered = timedelta(hours=2)
    repository = changes.recreate(world, "lesscpy/lesscpy")

    assert world.history_at(repository, NOW - timedelta(hours=2)) is repository.history


def test_churn_is_the_same_for_the_same_seed() -> None:
    """Five in a hundred heads move and two in a hundred projects release, and always the same ones."""
    first, second = synthetic(400, 1, Clock(NOW)), synthetic(400, 1, Clock(NOW))
    churned = changes.churn(first)

    assert churned == changes.churn(second)
    assert len(churned.pushed) == 20
    assert len(churned.released) == 8


def test_churn_pushes_merges_and_old_branches() -> None:
    """A fifth of the pushes end in a merge commit, a quarter of those with commits of days ago."""
    before, world = synthetic(400, 1, Clock(NOW)), synthetic(400, 1, Clock(NOW))
    added = []
    for name in changes.churn(world, heads=0.5).pushed:
        commits = changes.repository_of(world, name).history.commits()
        added.append(commits[changes.repository_of(before, name).history.count :])
    late = [commits for commits in added if commits[0].committed_at < NOW - timedelta(hours=12)]

    assert 25 < sum(commits[-1].is_merge for commits in added) < 55
    assert 4 < len(late) < 20
    assert all(commits[-1].is_merge for commits in late)


@pytest.mark.parametrize(
    ("versions", "latest"),
    [
        (["1.9", "1.10"], "1.10"),
        (["1.0", "2.0rc1"], "1.0"),
        (["1.0a1", "1.0b2"], "1.0b2"),
        (["1.0", "2.0 yanked"], "1.0"),
        (["1.0 yanked", "2.0a1"], "2.0a1"),
        (["2008-legacy", "0.1"], "0.1"),
        (["1.0 yanked"], "1.0"),
        (["not a version"], "not a version"),
    ],
)
def test_the_latest_version(versions: list[str], latest: str) -> None:
    """It is the newest final version that is not yanked, otherwise the newest such pre-release, by PEP 440."""
    releases = tuple(
        Release(version=text.removesuffix(" yanked"), uploaded_at=NOW, yanked=text.endswith(" yanked"))
        for text in versions
    )
    found = Project(name="x", serial=1, releases=releases).latest()

    assert found is not None
    assert found.version == latest


def test_releases_move_the_serial_and_a_status_does_not() -> None:
    """As upstream: archiving is not to be seen in the serial."""
    world = seeds(Clock(NOW))
    released = changes.release(world, "lesscpy")
    yanked = changes.yank(world, "lesscpy", reason="oops")
    archived = changes.set_status(world, "lesscpy", ProjectStatus.ARCHIVED)
    latest = yanked.latest()

    assert released.serial < yanked.serial == archived.serial == world.serial
    assert latest is not None
    assert latest.version == "0.15.1"


def test_changes_of_missing_things_are_refused() -> None:
    """The error names the repository, project or version."""
    world = seeds(Clock(NOW))
    with pytest.raises(changes.UnknownTargetError, match="no repository no/body"):
        changes.push(world, "no/body")
    with pytest.raises(changes.UnknownTargetError, match="no project nothing"):
        changes.release(world, "nothing")
    with pytest.raises(changes.UnknownTargetError, match=r"no version 9\.9"):
        changes.yank(world, "lesscpy", "9.9")


def test_a_catalogue_is_written_for_import(tmp_path: Path) -> None:
    """Documents hold editors' fields only, as a list or one a line; a .txt has one address a line."""
    world = synthetic(30, 0, Clock(NOW))
    write_catalogue(world, tmp_path / "c.txt")
    write_catalogue(world, tmp_path / "c.json")
    write_catalogue(world, tmp_path / "c.jsonl")
    written = list(documents(world))

    assert json.loads((tmp_path / "c.json").read_text()) == written
    assert [json.loads(line) for line in (tmp_path / "c.jsonl").read_text().splitlines()] == written
    assert (tmp_path / "c.txt").read_text().splitlines() == [one["repo_url"] for one in written]
    assert len({one["slug"] for one in written}) == 30
    assert not {"repo_watchers", "participants", "commits_over_52", "last_fetched"} & written[0].keys()


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "Expecting"), ('{"slug": "x"}', "repo_url"), ('{"repo_url": "http://x"}', "not a repos")],
)
def test_the_error_of_a_bad_catalogue(tmp_path: Path, text: str, message: str) -> None:
    """A document that cannot be served names itself and its fault."""
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(CatalogueError, match=message):
        from_folder(tmp_path)
