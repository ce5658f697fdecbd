"""`fetcher refresh` that has to wait: it ends with status 75 and names the rest; requests are followed to their end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fetcher.simulator.faults import Kind, Rule
from fetcher.simulator.server import Simulator
from tests.harness.seeds import SEEDS
from tests.harness.stack import Stack, simulated, stack
from tests.integration.conftest import Fetcher

TEMPORARY = 75


@pytest.mark.parametrize(
    ("route", "stored"), [("project_json", "repo_watchers"), ("graphql", "pypi_version")], ids=["index", "github"]
)
def test_a_limit_without_an_end(fetcher: Fetcher, simulator: Simulator, route: str, stored: str) -> None:
    """With a 429 without `retry-after`, the other upstream's data is stored, each package named, and the status 75."""
    fetcher("import", str(SEEDS))
    simulator.faults.add(Rule(kind=Kind.THROTTLE, route=route, status=429))

    done = fetcher("refresh", "--all", "--max-wait", "0")

    assert (done.status, done.out) == (TEMPORARY, ""), done.err
    slugs = [json.loads(line)["slug"] for line in fetcher("export").out.splitlines()]
    assert len(slugs) == 5
    assert all(f"{slug}: " in done.err for slug in slugs)
    assert "stopped waiting (--max-wait): " in done.err
    assert "Continue with `fetcher refresh --due`" in done.err
    document = json.loads(fetcher("show", "lesscpy", "--format", "v4").out)
    assert document[stored]


@pytest.mark.parametrize("arguments", [("--wait",), ("--max-wait", "soon")])
def test_options_that_do_not_fit(bare: Fetcher, arguments: tuple[str, ...]) -> None:
    """`--wait` needs `--queue`, and a span has one of the documented forms."""
    done = bare("refresh", "lesscpy", *arguments)

    assert done.status in (1, 2)
    assert "needs --queue" in done.err or "1:30:00" in done.err.replace("\n", "")


@pytest.fixture
def ours(tmp_path: Path, simulator: Simulator, redis_url: str) -> Iterator[Stack]:
    """Provide commands as processes of their own, over a real Redis."""
    with stack(tmp_path, **simulated(simulator), redis_url=redis_url) as made:
        made.import_seeds()
        assert made.fetcher("add", "https://gitlab.local/foo/bar", "--unsupported-ok").returncode == 0
        yield made


def test_a_queued_refresh_is_printed_and_followed(ours: Stack) -> None:
    """Results go to stdout: slug, id, address. Without a worker there is a warning; with one, `--wait` succeeds."""
    queued = ours.fetcher("refresh", "lesscpy", "--queue", web_host="::", web_port=8080)
    slug, refresh_id, address = queued.stdout.split()
    assert (queued.returncode, slug) == (0, "lesscpy")
    assert address == f"http://[::1]:8080/api/v4/refreshes/{refresh_id}/"
    assert "warning: no worker consumes the queue `manual`" in queued.stderr

    late = ours.fetcher("refresh", "lesscpy", "--queue", "--wait", "--max-wait", "0", "--json")
    assert late.returncode == TEMPORARY
    assert [(one["id"], one["joined"], one["state"]) for one in json.loads(late.stdout)] == [
        (refresh_id, True, "queued")
    ]
    assert "not finished within 0 s: lesscpy" in late.stderr

    worker = ours.worker("manual", "manual", 1)
    ours.until(lambda: "ready" in worker.output(), "the worker is ready")
    done = ours.fetcher("refresh", "lesscpy", "django-vies", "--queue", "--wait", "--json")
    assert done.returncode == 0, done.stderr
    assert {one["slug"]: one["state"] for one in json.loads(done.stdout)} == {"lesscpy": "done", "django-vies": "done"}
    assert "warning" not in done.stderr


def test_an_unsupported_package_is_not_queued(ours: Stack) -> None:
    """A package without a source is refused with status 1, as in a refresh without `--queue`."""
    for arguments in (("bar", "--queue"), ("lesscpy", "bar", "--queue")):
        done = ours.fetcher("refresh", *arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "error: nothing to fetch: bar. `fetcher show SLUG` prints a package's addresses\n"


def test_a_hint_concerns_the_upstreams_of_the_packages(bare: Fetcher) -> None:
    """GitHub's missing token is no matter of a package without a repository there."""
    assert bare("add", "https://gitlab.com/foo/bar").status == 0
    assert bare("add", "https://github.com/foo/baz").status == 0
    settings = {"forges": '{"gitlab.com": {"kind": "gitlab", "root": "http://127.0.0.1:9"}}'}
    assert "no token" not in bare("refresh", "bar", **settings).err
    assert "no token: GitHub" in bare("refresh", "baz", **settings).err
