"""Bad responses of the upstreams: one line for each failure, and the store unchanged except for the successes."""

from __future__ import annotations

import json

import pytest

from fetcher.simulator import changes
from fetcher.simulator.faults import Kind, Rule
from fetcher.simulator.server import Simulator
from tests.harness.pages import Pages
from tests.harness.seeds import SEEDS
from tests.integration.conftest import Done, Fetcher

AFFECTED, REPOSITORY, NEIGHBOUR = "lesscpy", "lesscpy/lesscpy", "jazzband/django-flatblocks"
OLD = "0.0.9"
STARS = 4711


@pytest.fixture
def stale(fetcher: Fetcher, simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Fetcher:
    """Import the five seeds with an old version of one project, then star two repositories."""
    folder = tmp_path_factory.mktemp("stale")
    for path in SEEDS.glob("*.json"):
        document = json.loads(path.read_text("utf-8"))
        (folder / path.name).write_text(json.dumps(document | {"pypi_version": OLD}), "utf-8")
    assert fetcher("import", str(folder)).status == 0
    for name in (REPOSITORY, NEIGHBOUR):
        changes.set_facts(simulator.world, name, changes.Facts(stars=STARS))
    return fetcher


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (Rule(kind=Kind.TRUNCATE), "127.0.0.1: connection broken"),
        (Rule(kind=Kind.RESET), "127.0.0.1: connection broken"),
        (Rule(kind=Kind.HTML), "text/html"),
        (Rule(kind=Kind.WRONG_SHAPE), "input should be an object"),
        (Rule(kind=Kind.OVERSIZE), "the answer is larger than"),
        (Rule(kind=Kind.REDIRECT_LOOP), "redirected more than"),
        (Rule(kind=Kind.STATUS, status=503), "503"),
    ],
    ids=lambda value: value.kind.value if isinstance(value, Rule) else "",
)
def test_a_bad_answer_of_the_index(stale: Fetcher, simulator: Simulator, rule: Rule, reason: str) -> None:
    """One unusable project keeps its version; its repository and all other packages are refreshed."""
    simulator.faults.add(_at(rule, "project_json"))

    done = stale("refresh", "--all")

    assert reason in _failure(done, "index")
    assert _shown(stale, AFFECTED) == {"pypi_version": OLD, "repo_watchers": STARS}
    assert _shown(stale, "django-flatblocks") == {"pypi_version": "1.0.0", "repo_watchers": STARS}


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (Rule(kind=Kind.TRUNCATE), "127.0.0.1: connection broken"),
        (Rule(kind=Kind.HTML), "text/html"),
        (Rule(kind=Kind.WRONG_SHAPE), "Input should be an object"),
        (Rule(kind=Kind.OVERSIZE), "the answer is larger than"),
    ],
    ids=lambda value: value.kind.value if isinstance(value, Rule) else "",
)
def test_a_bad_answer_of_github(stale: Fetcher, simulator: Simulator, rule: Rule, reason: str) -> None:
    """Unusable contributors of one repository keep the stored list; everything else is refreshed."""
    simulator.faults.add(_at(rule, "contributors"))
    before = json.loads(stale("show", AFFECTED, "--format", "v4").out)["participants"]

    done = stale("refresh", "--all")

    assert reason in _failure(done, "contributors")
    assert json.loads(stale("show", AFFECTED, "--format", "v4").out)["participants"] == before
    assert _shown(stale, AFFECTED) == {"pypi_version": "0.15.1", "repo_watchers": STARS}


def test_the_details_of_a_throttled_repository(stale: Fetcher, simulator: Simulator) -> None:
    """They are requested in the same run, after the statistics that had to wait."""
    simulator.faults.add(Rule(kind=Kind.THROTTLE, operation="ByName", times=1, retry_after=1))
    simulator.faults.add(_at(Rule(kind=Kind.HTML), "contributors"))

    done = stale("refresh", "--all")

    assert "text/html" in _failure(done, "contributors")


@pytest.mark.parametrize(("route", "source"), [("contributors", "contributors"), ("project_json", "index")])
def test_the_token_follows_no_redirect(stale: Fetcher, simulator: Simulator, route: str, source: str) -> None:
    """A redirect to another host is refused, and that host receives no request."""
    with Pages() as thief:
        simulator.faults.add(_at(Rule(kind=Kind.REDIRECT_AWAY, location=f"{thief.url}/stolen"), route))
        done = stale("refresh", "--all")

    assert "redirected away" in _failure(done, source)
    assert thief.requests == []


def test_a_repository_that_is_gone(stale: Fetcher, simulator: Simulator) -> None:
    """Its package keeps the stored values, `failures` names it, and its project is refreshed."""
    changes.delete(simulator.world, REPOSITORY)

    done = stale("refresh", "--all")
    failures = json.loads(stale("failures", "--json").out)

    assert _failure(done, "repository")
    assert [(one["slug"], one["source"], one["outcome"]) for one in failures] == [(AFFECTED, "repository", "missing")]
    assert _shown(stale, AFFECTED) == {"pypi_version": "0.15.1", "repo_watchers": 144}


def test_a_token_that_is_not_accepted(stale: Fetcher) -> None:
    """A 401 is reported for every repository, which keeps its values.

    PyPI is refreshed, and the token is not printed.
    """
    done = stale("refresh", "--all", github_token="ghp_not-a-good-one")

    assert done.status == 1
    assert (
        "error: GitHub does not accept the credential: Bad credentials. Set FETCHER_GITHUB_TOKEN to a valid "
        "token; then `fetcher refresh --due`\nrefreshed 0 of 5 packages\n"
    ) in done.err
    assert "ghp_not-a-good-one" not in done.err
    assert _shown(stale, AFFECTED) == {"pypi_version": "0.15.1", "repo_watchers": 144}


def test_without_a_token(stale: Fetcher, simulator: Simulator) -> None:
    """REST alone returns the same values, within the 60 requests of an hour."""
    done = stale("refresh", AFFECTED, "django-flatblocks", github_token="")

    assert done.status == 0, done.err
    assert _shown(stale, AFFECTED) == {"pypi_version": "0.15.1", "repo_watchers": STARS}
    assert simulator.log.count("graphql") == 0
    assert simulator.log.count(upstream="github") <= 60


def test_upstreams_that_do_not_exist(stale: Fetcher) -> None:
    """Without a server the status is 1, with one line a package and source, and all values stay."""
    nowhere = "http://127.0.0.1:9"

    done = stale("refresh", AFFECTED, github_api_url=nowhere, pypi_url=nowhere)

    assert done.status == 1
    assert "cannot connect" in done.err
    assert "Traceback" not in done.err
    assert _shown(stale, AFFECTED) == {"pypi_version": OLD, "repo_watchers": 144}


def _at(rule: Rule, route: str) -> Rule:
    """Return the rule for the one package's route, for every request."""
    package = REPOSITORY if route == "contributors" else AFFECTED
    return Rule(kind=rule.kind, status=rule.status, location=rule.location, route=route, package=package)


def _failure(done: Done, source: str) -> str:
    """Return the only line that a refresh prints for the package that failed; the other four succeeded."""
    assert (done.status, done.out) == (1, ""), done.err
    lines = [line for line in done.err.splitlines() if line.startswith(f"{AFFECTED}: ")]
    assert len(lines) == 1, done.err
    assert "Traceback" not in done.err
    assert "refreshed 4 of 5 packages" in done.err
    assert lines[0].startswith(f"{AFFECTED}: {source}: "), done.err
    return lines[0]


def _shown(fetcher: Fetcher, slug: str) -> dict[str, object]:
    document = json.loads(fetcher("show", slug, "--format", "v4").out)
    return {key: document[key] for key in ("pypi_version", "repo_watchers")}
