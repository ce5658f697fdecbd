"""The web process over real workers: a refresh by HTTP from asking to what it changed, and readiness part by part."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fetcher.simulator.server import Simulator
from tests.integration.conftest import Fetcher
from tests.integration.web import PACKAGE, REPOSITORY, Web, web
from tests.stack import route_of


@pytest.fixture
def served(tmp_path: Path, simulator: Simulator, redis_url: str) -> Iterator[Web]:
    with web(tmp_path / "web", simulator, redis_url, plan_interval=1) as running:
        yield running


def test_a_refresh_by_http(served: Web) -> None:
    """202, a place to look, and there what changed; then the document says so, too."""
    served.stack.worker("now", "now", 1)
    served.act("set", stars=4321, description="<b>New</b>")
    answer = served.ask()
    assert (answer.status_code, answer.json()["state"], answer.json()["joined"]) == (202, "queued", False)
    told = served.follow(answer.headers["location"])
    assert (told["state"], told["failures"], told["reason"]) == ("done", [], None)
    assert told["changed"]["repo_watchers"] == {"before": 144, "after": 4321}
    assert told["changed"]["repo_description"] == {"before": "Python LESS compiler", "after": "<b>New</b>"}
    document = served.client.get(f"/api/v4/packages/{PACKAGE}/").json()
    assert (document["repo_watchers"], document["repo_description"]) == (4321, "<b>New</b>")


def test_many_ask_and_one_is_asked(served: Web) -> None:
    """Fifty people at once, while workers wait for just that: one request, and each route is requested once."""
    served.stack.worker("now", "now", 2)
    served.stack.until(lambda: "ready" in served.stack.children[-1].said(), "the worker takes tasks")
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: served.ask(), range(50)))
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


def test_by_command_to_the_same_place(served: Web) -> None:
    """`fetcher refresh --queue` says where to look, and whoever asks by HTTP meanwhile joins it."""
    done = served.stack.fetcher("refresh", PACKAGE, "--queue")
    assert done.returncode == 0, done.stderr
    where = done.stderr.split()[-1]
    path = where[where.index("/api/") :]
    assert served.ask().headers["location"] == path
    served.stack.worker("now", "now", 1)
    assert served.follow(path)["state"] == "done"


def test_a_message_that_was_lost(served: Web) -> None:
    """A request whose message never arrived is sent again by the maintenance task, and carried out."""
    store, now = served.stack.store, datetime.now(UTC)
    (asked,) = store.ask([store.package_ids([PACKAGE])[PACKAGE]], now - timedelta(minutes=2))
    served.stack.worker("any", "now,control", 1)
    send = ("celery", "--quiet", "-A", "tasks", "call", "fetcher.expire", "--queue", "control")
    assert served.stack.start("call", *send).wait() == 0
    assert served.follow(f"/api/v4/refreshes/{asked.request.id}/")["state"] == "done"


def test_what_failed_is_told(served: Web) -> None:
    """A repository that is gone: the project still answers, so it is done, and says which source did not."""
    served.stack.worker("now", "now", 1)
    served.act("delete")
    told = served.follow(served.ask().headers["location"])
    assert told["state"] == "done"
    assert [(one["source"], one["outcome"]) for one in told["failures"]] == [("github", "gone")]


def test_ready_part_by_part(served: Web) -> None:
    """Not ready without workers and beat, and ready with them."""
    parts = served.client.get("/readyz").json()["parts"]
    assert (parts["database"], parts["redis"]) == ("ok", "ok")
    assert parts["workers"].startswith("no worker")
    assert parts["beat"].startswith("never seen")
    served.stack.worker()
    served.stack.worker("now", "now", 1)
    served.stack.beat()
    served.stack.until(lambda: served.client.get("/readyz").status_code == 200, "everything is ready")
    assert served.client.get("/").status_code == 200
    assert served.client.get("/healthz").status_code == 200


def test_without_redis(tmp_path: Path, simulator: Simulator) -> None:
    """Pages and documents are there; asking for a refresh says what to start, and leaves nothing open."""
    with web(tmp_path / "web", simulator, "redis://127.0.0.1:9/0") as served:
        assert "Redis cannot be reached" in served.client.get("/").text
        answer = served.ask()
        assert (answer.status_code, "Redis" in answer.json()["detail"]) == (503, True)
        assert served.stack.store.open_requests(5) == []
        assert served.client.get("/readyz").status_code == 503


def test_a_port_in_use(bare: Fetcher) -> None:
    """One line, before anything else is opened."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        complaint = bare("web", "--port", str(port)).complaint
    assert complaint.startswith(f"cannot listen on 127.0.0.1, port {port}: Address already in use. Choose another")
    assert "nowhere.invalid" in bare("web", "--host", "nowhere.invalid").complaint
