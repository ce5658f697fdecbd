"""The simulator over HTTP: the seeds' facts, and the documented behaviour of GitHub and PyPI."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from fetcher.simulator import changes
from fetcher.simulator.catalogue import project_name, seeds, synthetic
from fetcher.simulator.clock import Clock
from fetcher.simulator.history import contributors
from fetcher.simulator.project import ProjectStatus
from fetcher.simulator.repository import Block
from fetcher.simulator.server import Simulator
from fetcher.simulator.synthetic import SyntheticCatalogue
from fetcher.simulator.upstreams.github.limits import Limits
from fetcher.simulator.upstreams.github.statistics_jobs import EmptyAnswer, Participation, Statistics
from fetcher.simulator.upstreams.pypi.settings import Index
from fetcher.simulator.upstreams.pypi.upstream import SIMPLE_JSON
from fetcher.simulator.upstreams.registry import Settings
from tests.harness import patient
from tests.harness.seeds import SEEDS

DOCUMENTS: list[dict[str, Any]] = [json.loads(path.read_text("utf-8")) for path in SEEDS.iterdir()]
LESSCPY = "lesscpy/lesscpy"
AS_JSON = {"accept": SIMPLE_JSON}


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(seeds()) as running:
        yield running


@pytest.fixture
def github(simulator: Simulator) -> Iterator[httpx.Client]:
    with github_client(simulator) as client:
        yield client


@pytest.fixture
def pypi(simulator: Simulator) -> Iterator[httpx.Client]:
    with patient.Client(base_url=simulator.pypi_url) as client:
        yield client


def github_client(simulator: Simulator) -> httpx.Client:
    headers = {"authorization": f"Bearer {simulator.token}"}
    return patient.Client(base_url=simulator.github_url, headers=headers)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document["slug"]))
def test_the_seeds_facts_come_out_exactly(document: dict[str, Any], github: httpx.Client, pypi: httpx.Client) -> None:
    """Documented requests return each fetched value of the published documents."""
    full_name = document["repo_url"].removeprefix("https://github.com/")
    repository = github.get(f"/repos/{full_name}").json()
    newest = github.get(f"/repos/{full_name}/commits", params={"per_page": 1}).json()[0]
    listed = github.get(f"/repos/{full_name}/contributors", params={"per_page": 100}).json()
    weeks = github.get(f"/repos/{full_name}/stats/participation").json()["all"]
    project = pypi.get(f"/pypi/{project_name(document['pypi_url'])}/json").json()

    assert repository["stargazers_count"] == document["repo_watchers"]
    assert repository["forks_count"] == document["repo_forks"]
    assert repository["description"] == document["repo_description"]
    assert [one["login"] for one in listed] == document["participants"]
    assert weeks == document["commits_over_52"]
    assert project["info"]["version"] == document["pypi_version"]
    assert project["info"]["project_urls"].get("Documentation") == document["documentation_url"]
    committed_at = datetime.fromisoformat(newest["commit"]["committer"]["date"])
    assert committed_at == datetime.fromisoformat(document["last_updated"])


def test_every_page_of_contributors_is_linked() -> None:
    """Following rel="next" returns every login once, in the order of the truth, and anonymous ones on demand."""
    world = synthetic(300, 0)
    repository = max(
        (one for known in world.repository_ids() if (one := world.repository_by_id(known))),
        key=lambda one: len(contributors(one.history.commits())[0]),
    )
    with Simulator(world) as simulator, github_client(simulator) as github:
        truth = patient.get(f"{simulator.url}/_simulator/truth/{repository.full_name}").json()
        url: str | None = f"/repos/{repository.full_name}/contributors?per_page=100"
        logins: list[str] = []
        pages = 0
        while url:
            answer = github.get(url)
            logins += [one["login"] for one in answer.json()]
            url = answer.links.get("next", {}).get("url")
            pages += 1

    assert pages > 1
    assert logins == truth["contributors"]
    assert len(set(logins)) == len(logins)


def test_an_unchanged_answer_is_a_304_and_free(simulator: Simulator, github: httpx.Client) -> None:
    """A conditional request costs nothing while nothing has changed. A validator belongs to its credential."""
    first = github.get(f"/repos/{LESSCPY}")
    known = {"if-none-match": first.headers["etag"]}
    again = github.get(f"/repos/{LESSCPY}", headers=known)
    no_account = patient.get(f"{simulator.github_url}/repos/{LESSCPY}", headers=known)
    changes.set_facts(simulator.world, LESSCPY, changes.Facts(stars=145))
    changed = github.get(f"/repos/{LESSCPY}", headers=known)

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["x-ratelimit-used"] == first.headers["x-ratelimit-used"] == "1"
    assert no_account.status_code == 200
    assert changed.json()["stargazers_count"] == 145


def test_a_renamed_repository_redirects_to_its_number(simulator: Simulator, github: httpx.Client) -> None:
    """The response is 301 to /repositories/{id} with the rest of the path and the query."""
    renamed = changes.rename(simulator.world, LESSCPY, "lessc")
    answer = github.get(f"/repos/{LESSCPY}/contributors?per_page=3")
    followed = github.get(answer.headers["location"])

    assert answer.status_code == 301
    assert answer.headers["location"].endswith(f"/repositories/{renamed.database_id}/contributors?per_page=3")
    assert len(followed.json()) == 3


def test_node_ids_change_their_form_while_it_runs(simulator: Simulator, github: httpx.Client) -> None:
    """After the action, REST, actions and truth return the other form; the number stays."""
    control = f"{simulator.url}/_simulator"
    before = github.get(f"/repos/{LESSCPY}").json()
    patient.post(f"{control}/actions", json={"action": "node_ids", "target": "legacy"})
    after = github.get(f"/repos/{LESSCPY}").json()
    pushed = patient.post(f"{control}/actions", json={"action": "push", "target": LESSCPY}).json()
    truth = patient.get(f"{control}/truth/{LESSCPY}").json()
    refused = patient.post(f"{control}/actions", json={"action": "node_ids", "target": "old"})

    assert (before["node_id"][:2], after["node_id"][:4]) == ("R_", "MDEw")
    assert before["id"] == after["id"]
    assert after["owner"]["node_id"] != before["owner"]["node_id"]
    assert pushed["node_id"] == truth["node_id"] == after["node_id"]
    assert refused.status_code == 400


def test_missing_private_and_blocked_repositories(simulator: Simulator, github: httpx.Client) -> None:
    """Missing and private repositories are 404 on every route, blocked ones 403 or 451."""
    names = ["codingjoe/django-vies", "jazzband/django-flatblocks", "openwisp/django-loci"]
    changes.delete(simulator.world, names[0])
    changes.set_facts(simulator.world, names[1], changes.Facts(private=True))
    changes.set_block(simulator.world, names[2], Block.TERMS)
    changes.set_block(simulator.world, LESSCPY, Block.LEGAL)

    for path in ("", "/contributors", "/stats/participation"):
        statuses = [github.get(f"/repos/{name}{path}").status_code for name in (*names, LESSCPY)]
        assert statuses == [404, 404, 403, 451]


@pytest.mark.parametrize(("empty", "status"), [(EmptyAnswer.ZEROS, 200), (EmptyAnswer.NO_CONTENT, 204)])
def test_an_empty_repository(empty: EmptyAnswer, status: int) -> None:
    """It has no commits (409), no contributors (204), and statistics as configured."""
    world = seeds()
    changes.empty(world, LESSCPY)
    with (
        Simulator(world, Settings(statistics=Statistics(empty=empty))) as simulator,
        github_client(simulator) as github,
    ):
        assert github.get(f"/repos/{LESSCPY}/commits").status_code == 409
        assert github.get(f"/repos/{LESSCPY}/contributors").status_code == 204
        assert github.get(f"/repos/{LESSCPY}/stats/participation").status_code == status
        assert github.get(f"/repos/{LESSCPY}/compare/aaa...main").status_code == 404


def test_cold_statistics_are_a_202_until_ready_and_again_after_a_push() -> None:
    """A 202 with an empty body counts as a request; participation and activity are computed separately."""
    statistics = Statistics(cold=True, ready_after=timedelta(0), asks=2)
    with Simulator(seeds(), Settings(statistics=statistics)) as simulator, github_client(simulator) as github:
        url = f"/repos/{LESSCPY}/stats/participation"
        before = [github.get(url) for _ in range(3)]
        activity = github.get(f"/repos/{LESSCPY}/stats/commit_activity")
        changes.push(simulator.world, LESSCPY)
        after = github.get(url)
        patient.post(f"{simulator.url}/_simulator/actions", json={"action": "warm"})
        warmed = github.get(url)

    assert [one.status_code for one in before] == [202, 202, 200]
    assert before[0].content == b""
    assert (activity.status_code, after.status_code, warmed.status_code) == (202, 202, 200)
    assert warmed.headers["x-ratelimit-used"] == "6"


@pytest.mark.parametrize("counting", Participation)
def test_participation_holds_merges_or_not_or_is_wrong(counting: Participation) -> None:
    """The setting decides the weekly counts, the truth has both kinds, and commit activity has no merges."""
    world = seeds()
    changes.push(world, LESSCPY, changes.Push(commits=3, merge=True, age=timedelta(days=3)))
    world.clock.advance(timedelta(days=1))
    with (
        Simulator(world, Settings(statistics=Statistics(participation=counting))) as simulator,
        github_client(simulator) as github,
    ):
        weeks = github.get(f"/repos/{LESSCPY}/stats/participation").json()["all"]
        activity = github.get(f"/repos/{LESSCPY}/stats/commit_activity").json()
        truth = patient.get(f"{simulator.url}/_simulator/truth/{LESSCPY}").json()
    expected = {Participation.WITH_MERGES: 4, Participation.WITHOUT_MERGES: 3, Participation.WRONG: 5}

    assert weeks[-1] == expected[counting]
    assert (weeks[0] > 0) is (counting is Participation.WRONG)
    assert (truth["participation"][-1], truth["participation_without_merges"][-1]) == (4, 3)
    assert sum(week["total"] for week in activity) == 3
    assert truth["commits"] == changes.repository_of(world, LESSCPY).history.count


def test_an_old_branch_is_merged_by_an_action(simulator: Simulator, github: httpx.Client) -> None:
    """With committed_age_days the branch's commits are listed behind the former head, and compare has them all."""
    before = github.get(f"/repos/{LESSCPY}/commits").json()[0]["sha"]
    action = {"action": "push", "target": LESSCPY, "commits": 2, "login": "newcomer", "committed_age_days": 2000}
    pushed = patient.post(f"{simulator.url}/_simulator/actions", json=action).json()
    listed = [one["sha"] for one in github.get(f"/repos/{LESSCPY}/commits?per_page=100").json()]
    compared = github.get(f"/repos/{LESSCPY}/compare/{before}...main").json()

    assert listed[:2] == [pushed["head"], before]
    assert (compared["status"], compared["total_commits"]) == ("ahead", 3)
    assert all(listed.index(one["sha"]) > 2 for one in compared["commits"][:2])


def test_a_missing_default_branch_has_no_commits(simulator: Simulator, github: httpx.Client) -> None:
    """The branch and a comparison with it are 404; a commit is still found by its oid."""
    oid = github.get(f"/repos/{LESSCPY}/commits").json()[0]["sha"]
    action = {"action": "set", "target": LESSCPY, "default_branch_missing": True}
    patient.post(f"{simulator.url}/_simulator/actions", json=action)
    paths = (
        "commits",
        f"commits?sha={oid}",
        f"compare/{oid}...main",
        f"compare/{oid}...HEAD",
        f"compare/{oid}...{oid}",
    )

    assert [github.get(f"/repos/{LESSCPY}/{path}").status_code for path in paths] == [404, 200, 404, 404, 200]


def test_the_end_of_a_version_is_announced_and_comes(simulator: Simulator, github: httpx.Client) -> None:
    """Every response has Deprecation and Sunset until they are cleared; a retired version is 410."""
    control = f"{simulator.url}/_simulator/actions"
    announced = {"deprecation": "@1773792000", "sunset": "Thu, 01 Oct 2026 00:00:00 GMT"}
    url = f"/repos/{LESSCPY}"
    wrong = patient.post(control, json={"action": "deprecate", "sunset": 5})
    patient.post(control, json={"action": "deprecate", **announced})
    graphql = patient.post(
        simulator.graphql_url,
        json={"query": "{ viewer { login } }"},
        headers={"authorization": "token simulated-token"},
    )
    for answer in (github.get(url), github.get("/rate_limit"), graphql):
        assert {name: answer.headers[name] for name in announced} == announced
    patient.post(control, json={"action": "deprecate", "deprecation": None, "sunset": None})
    patient.post(control, json={"action": "retire_version", "target": "2022-11-28"})
    old, new = (github.get(url, headers={"x-github-api-version": one}) for one in ("2022-11-28", "2026-03-10"))
    patient.post(control, json={"action": "retire_version", "target": "2022-11-28", "retired": False})
    again = github.get(url, headers={"x-github-api-version": "2022-11-28"})

    assert wrong.status_code == 400
    assert (old.status_code, new.status_code, again.status_code) == (410, 200, 200)
    assert "2022-11-28" in old.json()["message"]
    assert not announced.keys() & new.headers.keys()


def test_contributors_may_be_hours_old() -> None:
    """A newcomer is listed once the push is older than the lag; all other values are current at once."""
    # Moving the clock while an answer goes out makes it last hours, which the limits would hold against its identity.
    settings = Settings(limits=Limits(enforced=False), statistics=Statistics(contributors_lag=timedelta(hours=6)))
    url = f"/repos/{LESSCPY}/contributors?per_page=100"
    with Simulator(seeds(), settings) as simulator, github_client(simulator) as github:
        before = github.get(url)
        head = changes.push(simulator.world, LESSCPY, changes.Push(login="newcomer")).history.tip
        newest = github.get(f"/repos/{LESSCPY}/commits").json()[0]["sha"]
        listed = []
        for hours in (0, 5, 2):
            simulator.world.clock.advance(timedelta(hours=hours))
            listed.append(github.get(url, headers={"if-none-match": before.headers["etag"]}))

    assert head is not None
    assert newest == head.oid
    assert [one.status_code for one in listed] == [304, 304, 200]
    assert listed[-1].json()[-1]["login"] == "newcomer"


def test_compare_returns_the_commits_since(simulator: Simulator, github: httpx.Client) -> None:
    """Compare returns new commits by page, files on the first page only, diverged branches, and 404."""
    old = changes.repository_of(simulator.world, LESSCPY).history.tip
    assert old is not None
    changes.push(simulator.world, LESSCPY, changes.Push(commits=3, login="newcomer", merge=True))
    first, second = (
        github.get(f"/repos/{LESSCPY}/compare/{old.oid}...main", params={"per_page": 3, "page": page}).json()
        for page in (1, 2)
    )
    changes.force_push(simulator.world, LESSCPY, dropped=5)  # the merge and four commits of before
    diverged = github.get(f"/repos/{LESSCPY}/compare/{old.oid}...main").json()
    changes.force_push(simulator.world, LESSCPY, dropped=1, vanished=True)
    vanished = github.get(f"/repos/{LESSCPY}/compare/{old.oid}...main")

    assert (first["status"], first["total_commits"]) == ("ahead", 4)
    assert [one["author"]["login"] for one in first["commits"]] == ["newcomer"] * 3
    assert first["files"][0]["patch"]
    assert second["files"] == []
    assert len(second["commits"][0]["parents"]) == 2
    assert (diverged["status"], diverged["behind_by"]) == ("diverged", 4)
    assert vanished.status_code == 404


def test_limits_are_kept_over_http() -> None:
    """The quota is in every response, anonymous clients have 60 requests, and the next is refused until the reset."""
    with Simulator(seeds(), Settings(limits=Limits(anonymous_per_hour=2))) as simulator:
        url = f"{simulator.github_url}/repos/{LESSCPY}"
        answers = [patient.get(url) for _ in range(3)]
        free = patient.get(f"{simulator.github_url}/rate_limit")
        graphql = patient.post(simulator.graphql_url, json={"query": "{ viewer { login } }"})
        summary = patient.get(f"{simulator.url}/_simulator/summary").json()

    assert [one.headers["x-ratelimit-remaining"] for one in answers] == ["1", "0", "0"]
    assert answers[2].status_code in (403, 429)
    assert "rate limit exceeded" in answers[2].json()["message"]
    assert free.status_code in (403, 429)
    assert graphql.status_code == 401
    assert summary["limits_tripped"]["primary"] >= 1
    assert summary["points"]["core"] == 2


def test_tokens_of_one_identity_share_its_quota_and_a_revoked_one_is_a_401(simulator: Simulator) -> None:
    """The quota belongs to the identity, and a revoked token is a 401."""
    identities = simulator.upstream("github").credentials.identities
    identities["another"] = identities[simulator.token]
    url = f"{simulator.github_url}/user"
    used = [
        patient.get(url, headers={"authorization": f"token {token}"}).headers["x-ratelimit-used"]
        for token in identities
    ]
    action = {"action": "revoke", "target": "another"}
    patient.post(f"{simulator.url}/_simulator/actions", json=action)

    assert used == ["1", "2"]
    assert patient.get(url, headers={"authorization": "token another"}).status_code == 401


def test_an_installation_token_is_issued_and_works(simulator: Simulator) -> None:
    """A GitHub App receives a token that expires in an hour, and both API roots accept it."""
    url = f"{simulator.github_url}/app/installations/7/access_tokens"
    issued = patient.post(url, headers={"authorization": "Bearer a.b.c"})
    refused = patient.post(url)
    headers = {"authorization": f"Bearer {issued.json()['token']}"}
    rest = patient.get(f"{simulator.url}/api/v3/repos/{LESSCPY}", headers=headers)
    query = {"query": '{ repository(owner: "lesscpy", name: "lesscpy") { stargazerCount } }'}
    graphql = patient.post(f"{simulator.url}/api/graphql", json=query, headers=headers)

    assert (issued.status_code, refused.status_code) == (201, 401)
    assert rest.json()["url"] == f"{simulator.url}/api/v3/repos/{LESSCPY}"
    assert graphql.json() == {"data": {"repository": {"stargazerCount": 144}}}


def test_both_forms_of_the_simple_api(simulator: Simulator, pypi: httpx.Client) -> None:
    """JSON is returned on demand and HTML otherwise, with yanked releases, status and serial."""
    changes.set_status(simulator.world, "lesscpy", ProjectStatus.DEPRECATED, "use another")
    as_json, as_html = pypi.get("/simple/lesscpy/", headers=AS_JSON), pypi.get("/simple/lesscpy/")
    body = as_json.json()

    assert as_json.headers["content-type"] == SIMPLE_JSON
    assert as_json.headers["x-pypi-last-serial"] == str(body["meta"]["_last-serial"])
    assert body["project-status"] == {"status": "deprecated", "reason": "use another"}
    assert {one["yanked"] for one in body["files"]} == {False, "uploaded by mistake"}
    assert body["versions"] == ["0.0.1", "0.0.2", "0.15.1", "1.0", "2.0rc1"]
    assert as_html.headers["content-type"].startswith("text/html")
    assert len(re.findall("<a href=", as_html.text)) == 5


def test_names_are_redirected_to_their_canonical_form(pypi: httpx.Client) -> None:
    """Other spellings and a missing slash are 301, unknown names 404."""
    answers = [pypi.get(path) for path in ("/simple/Django_Vies/", "/simple/lesscpy", "/pypi/Django.Vies/json")]

    assert [one.status_code for one in answers] == [301] * 3
    assert [one.headers["location"].partition("/index")[2] for one in answers] == [
        "/simple/django-vies/",
        "/simple/lesscpy/",
        "/pypi/django-vies/json",
    ]
    assert pypi.get("/pypi/nothing/json").status_code == 404


def test_the_root_lists_every_serial_once_and_is_conditional(simulator: Simulator, pypi: httpx.Client) -> None:
    """A release changes one serial, a quarantined project is not listed, and no change is a 304."""
    first = pypi.get("/simple/", headers=AS_JSON)
    known = {**AS_JSON, "if-none-match": first.headers["etag"]}
    unchanged = pypi.get("/simple/", headers=known)
    changes.release(simulator.world, "lesscpy")
    changes.set_status(simulator.world, "django-loci", ProjectStatus.QUARANTINED)
    second = pypi.get("/simple/", headers=known)
    before, after = (
        {one["name"]: one["_last-serial"] for one in answer.json()["projects"]} for answer in (first, second)
    )

    assert unchanged.status_code == 304
    assert before.keys() - after.keys() == {"django-loci"}
    assert [name for name in after if after[name] != before[name]] == ["lesscpy"]
    assert pypi.get("/pypi/django-loci/json").status_code == 404
    assert pypi.get("/simple/django-loci/", headers=AS_JSON).json()["files"] == []


def test_a_stale_edge_serves_the_state_before_the_last_change(simulator: Simulator, pypi: httpx.Client) -> None:
    """The first response has an older serial, the next one the current serial."""
    changes.release(simulator.world, "lesscpy", "9.0")
    simulator.upstream("pypi").serve_stale("lesscpy")
    stale, fresh = pypi.get("/pypi/lesscpy/json").json(), pypi.get("/pypi/lesscpy/json").json()

    assert (stale["info"]["version"], fresh["info"]["version"]) == ("0.15.1", "9.0")
    assert stale["last_serial"] < fresh["last_serial"]


def test_a_poor_mirror_lacks_the_configured_features() -> None:
    """It has no validators, no serials, no JSON API and no JSON form."""
    index = Index(etags=False, serials=False, json_api=False, simple_json=False)
    with Simulator(synthetic(5), Settings(index=index)) as simulator:
        name = SyntheticCatalogue.project_name(3)
        answer = patient.get(f"{simulator.pypi_url}/simple/{name}/", headers=AS_JSON)
        gone = patient.get(f"{simulator.pypi_url}/pypi/{name}/json")

    assert answer.headers["content-type"].startswith("text/html")
    assert not {"etag", "x-pypi-last-serial"} & answer.headers.keys()
    assert gone.status_code == 404


def test_tomorrow_is_reached_by_moving_the_clock() -> None:
    """The rolling weeks end at the simulator's midnight, and the truth is available for any day."""
    world = seeds(Clock(datetime(2026, 3, 18, 12, tzinfo=UTC)))
    with Simulator(world) as simulator, github_client(simulator) as github:
        changes.push(world, LESSCPY, changes.Push(commits=4))
        control = f"{simulator.url}/_simulator"
        url = f"/repos/{LESSCPY}/stats/participation"
        today = github.get(url).json()["all"]
        predicted = patient.get(f"{control}/truth/{LESSCPY}", params={"day": "2026-03-19"}).json()["participation"]
        patient.post(f"{control}/actions", json={"action": "advance", "seconds": 86_400})
        tomorrow = github.get(url).json()["all"]

    assert tomorrow == predicted
    assert (today[-1], tomorrow[-1]) == (0, 4)
