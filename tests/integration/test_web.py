"""The web process with real workers: refreshes over HTTP, and readiness."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fetcher.simulator.server import Simulator
from tests.harness.stack import route_of
from tests.harness.web import PACKAGE, REPOSITORY, Web, web
from tests.integration.conftest import Fetcher


@pytest.fixture
def served(tmp_path: Path, simulator: Simulator, redis_url: str) -> Iterator[Web]:
    with web(tmp_path / "web", simulator, redis_url, plan_interval=1) as running:
        yield running


def test_a_refresh_by_http(served: Web) -> None:
    """The refresh reports what changed, and the document has the new values."""
    served.stack.worker("manual", "manual", 1)
    served.act("set", stars=4321, description="<b>New</b>")
    answer = served.request_refresh()
    assert (answer.status_code, answer.json()["state"], answer.json()["joined"]) == (202, "queued", False)
    refresh = served.follow(answer.headers["location"])
    assert (refresh["state"], refresh["failures"], refresh["reason"]) == ("done", [], None)
    assert refresh["changed"]["repo_watchers"] == {"before": 144, "after": 4321}
    assert refresh["changed"]["repo_description"] == {"before": "Python LESS compiler", "after": "<b>New</b>"}
    document = served.client.get(f"/api/v4/packages/{PACKAGE}/").json()
    assert (document["repo_watchers"], document["repo_description"]) == (4321, "<b>New</b>")


def test_concurrent_requests_share_a_refresh(served: Web) -> None:
    """Fifty concurrent requests join one refresh, which sends each upstream request once."""
    served.stack.worker("manual", "manual", 2)
    served.stack.until(lambda: "ready" in served.stack.children[-1].output(), "the worker takes tasks")
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: served.request_refresh(), range(50)))
    assert {answer.status_code for answer in answers} == {202}
    (where,) = {answer.headers["location"] for answer in answers}
    assert served.follow(where)["state"] == "done"
    assert sum(not answer.json()["joined"] for answer in answers) == 1
    own = [entry for entry in served.simulator.log.entries if {PACKAGE, REPOSITORY} & set(entry.packages)]
    assert Counter(route_of(entry) for entry in own) == {
        "statistics": 1,
        "heads": 1,
        "contributors": 1,
        "project_json": 1,
        "simple_project": 1,
    }


def test_a_command_and_a_request_share_a_refresh(served: Web) -> None:
    """`fetcher refresh --queue` prints the refresh's path, and a request over HTTP joins it."""
    done = served.stack.fetcher("refresh", PACKAGE, "--queue")
    assert done.returncode == 0, done.stderr
    where = done.stdout.split()[-1]
    path = where[where.index("/api/") :]
    assert served.request_refresh().headers["location"] == path
    served.stack.worker("manual", "manual", 1)
    assert served.follow(path)["state"] == "done"


def test_a_lost_message(served: Web) -> None:
    """The maintenance task sends a lost message again, and the refresh is carried out."""
    store, now = served.stack.store, datetime.now(UTC)
    (asked,) = store.requests.submit([store.packages.ids([PACKAGE])[PACKAGE]], now - timedelta(minutes=2))
    served.stack.worker("any", "manual,maintenance", 1)
    send = ("celery", "--quiet", "-A", "tasks", "call", "fetcher.expire", "--queue", "maintenance")
    assert served.stack.start("call", *send).wait() == 0
    assert served.follow(f"/api/v4/refreshes/{asked.request.id}/")["state"] == "done"


def test_a_failing_source(served: Web) -> None:
    """If the repository is gone and the project is fetched, the refresh is done and reports the failing source."""
    served.stack.worker("manual", "manual", 1)
    served.act("delete")
    refresh = served.follow(served.request_refresh().headers["location"])
    assert refresh["state"] == "done"
    assert [(one["source"], one["outcome"]) for one in refresh["failures"]] == [("repository", "gone")]


def test_readiness(served: Web) -> None:
    """The process is not ready without workers and beat, and ready with them."""
    parts = served.client.get("/readyz").json()["parts"]
    assert (parts["database"], parts["redis"]) == ("ok", "ok")
    assert parts["workers"].startswith("no worker")
    assert parts["beat"].startswith("never seen")
    served.stack.worker()
    served.stack.worker("manual", "manual", 1)
    served.stack.beat()
    served.stack.until(lambda: served.client.get("/readyz").status_code == 200, "everything is ready")
    assert served.client.get("/").status_code == 200
    assert served.client.get("/healthz").status_code == 200


def test_without_redis(tmp_path: Path, simulator: Simulator) -> None:
    """Pages are served. A request for a refresh fails with a message and leaves no open refresh."""
    with web(tmp_path / "web", simulator, "redis://127.0.0.1:9/0") as served:
        assert "Redis cannot be reached" in served.client.get("/").text
        answer = served.request_refresh()
        assert (answer.status_code, "Redis" in answer.json()["detail"]) == (503, True)
        assert served.stack.store.requests.open(5) == []
        assert served.client.get("/readyz").status_code == 503


def test_a_port_in_use(bare: Fetcher) -> None:
    """The command fails with one line before it opens anything else."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        complaint = bare("web", "--port", str(port)).complaint
    assert complaint.startswith(f"cannot listen on 127.0.0.1, port {port}: Address already in use. Choose another")


@pytest.mark.parametrize("host", ["nowhere.invalid", "192.0.2.1"])
def test_a_host_of_another_machine(bare: Fetcher, host: str) -> None:
    """The remedy is another host, because no other port would help."""
    complaint = bare("web", "--host", host, "--port", "0").complaint
    assert complaint.startswith(f"cannot listen on {host}, port 0: ")
    assert complaint.endswith("Choose an address of this machine with --host or FETCHER_WEB_HOST")
