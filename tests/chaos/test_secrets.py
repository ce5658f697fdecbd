"""Marked secrets in every setting: no output at debug level and no store contains them."""

from __future__ import annotations

import io
import json
import logging
import pickle
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import structlog
from sqlalchemy import make_url

from fetcher.broker import check_redis
from fetcher.catalogue.documents import read_document
from fetcher.domain.errors import FetcherError
from fetcher.domain.model import CatalogueEntry
from fetcher.monitoring.logging import configure_logging
from fetcher.settings import read_settings
from fetcher.simulator.catalogue import documents, from_documents
from fetcher.simulator.faults import Kind, Rule
from fetcher.simulator.server import Simulator
from fetcher.simulator.upstreams.github.credentials import Credentials
from fetcher.simulator.upstreams.gitlab.settings import GitLab
from fetcher.simulator.upstreams.registry import Settings
from fetcher.store import open_engine, upgrade
from fetcher.upstreams.github.auth import credential_from
from fetcher.wiring import open_parts, open_store
from tests.chaos.injection.deployment import invented
from tests.chaos.injection.leaks import (
    Marked,
    everything_in_database,
    everything_in_redis,
    everything_written_to,
    monitored,
    new_app_key,
)
from tests.harness.redis_server import RedisProcess
from tests.harness.stack import Stack, environment, simulated, stack

pytestmark = [pytest.mark.chaos, pytest.mark.slow]

SLUGS = ("alpha", "beta", "gamma", "delta", "epsilon")
"""Packages. The last one is on GitLab, so that the forge's token is sent."""
ASKING = (("doctor",), ("refresh", "--all"))
"""Commands that together use every secret."""
COMMANDS = (
    *ASKING,
    ("status", "--json"),
    ("failures",),
    ("queues",),
    ("show", "alpha"),
    ("refresh", "beta", "--queue"),
)


@pytest.fixture(scope="module")
def marked() -> Marked:
    return Marked(app_key=new_app_key())


@pytest.fixture
def simulator(marked: Marked) -> Iterator[Simulator]:
    """Start a simulator that accepts the marked tokens only."""
    invented_ones = [invented(slug, number) for number, slug in enumerate(SLUGS)]
    invented_ones[-1]["repo_url"] = f"https://gitlab.com/octo/{SLUGS[-1]}"
    settings = Settings(credentials=Credentials.of({marked.token: "somebody"}), gitlab=GitLab(sign_in=True))
    with Simulator(from_documents(invented_ones), settings) as running:
        running.upstream("gitlab").gate.tokens = {marked.forge: "somebody"}
        yield running


@pytest.fixture
def redis(marked: Marked) -> Iterator[RedisProcess]:
    """Start a Redis that requires the marked password."""
    server = RedisProcess(password=marked.redis)
    server.start()
    yield server
    server.end()


@pytest.fixture
def ours(
    tmp_path: Path, marked: Marked, simulator: Simulator, redis: RedisProcess, empty_postgres_url: str
) -> Iterator[Stack]:
    """Yield a stack with a marked secret in every setting, at debug level."""
    secret: dict[str, object] = {
        "github_token": marked.token,
        "database_url": make_url(empty_postgres_url)
        .set(password=marked.database)
        .render_as_string(hide_password=False),
        "redis_url": redis.url,
        "pypi_url": simulator.pypi_url.replace("://", f"://reader:{marked.index}@"),
        "web_token": marked.operator,
        "forges": json.dumps({"gitlab.com": {"root": simulator.address("gitlab"), "token": marked.forge}}),
    }
    settings = {**simulated(simulator), **secret, "log_level": "DEBUG", "plan_interval": 1, "window_scale": 0.01}
    with stack(tmp_path / "stack", **settings) as made:
        engine = open_engine(made.settings.database)
        upgrade(engine)
        engine.dispose()
        found = [read_document(one) for one in documents(simulator.world)]
        made.store.packages.import_entries([one for one in found if isinstance(one, CatalogueEntry)], datetime.now(UTC))
        yield made


def test_no_process_reveals_a_secret(ours: Stack, marked: Marked, simulator: Simulator, redis: RedisProcess) -> None:
    """Show that commands, workers and beat output no secret, even with faults, a revoked token and lost servers."""
    output: list[str] = []
    with monitored(redis.url) as sent:
        for name, queues in (("background", "background,maintenance"), ("manual", "manual")):
            options = ("--queues", queues, "--hostname", f"{name}@%h", "--concurrency", "1")
            ours.start(name, "celery", "-A", "tasks", "worker", *options, "--loglevel", "DEBUG")
        ours.start("beat", "celery", "-A", "tasks", "beat", "--loglevel", "DEBUG")
        ours.until(lambda: ours.answered(len(SLUGS)), "every source of every package answers")
        output += _output(ours, COMMANDS)
        for rule in (Rule(kind=Kind.STATUS, status=500, times=4), Rule(kind=Kind.HTML, times=4), Rule(kind=Kind.RESET)):
            simulator.faults.add(rule)
        output += _output(ours, ASKING)
        simulator.upstream("github").credentials.revoked.add(marked.token)
        simulator.upstream("gitlab").gate.tokens.clear()
        simulator.faults.clear()
        output += _output(ours, ASKING)
        stored = everything_in_database(ours.settings.database) + everything_in_redis(redis.url)
    arguments = "\n".join(Path(f"/proc/{child.pid}/cmdline").read_text("utf-8") for child in ours.children)
    database = make_url(ours.settings.database)
    redis.end()
    nowhere = database.set(query={"host": "/nowhere"}).render_as_string(hide_password=False)
    output += _output(ours, (*ASKING, ("queues",)))
    output += _output(ours, ASKING, database_url=nowhere)
    ours.close()

    assert sent
    assert simulator.log.count("graphql", 200, "gitlab")
    assert simulator.log.count("graphql", 401, "gitlab")
    assert "somebody" not in stored
    for text in ("\n".join(output), "\n".join(sent), stored, arguments, everything_written_to(ours.folder)):
        assert marked.found_in(text) == []


PATHS = (
    "/",
    "/packages",
    "/packages/alpha",
    "/failures",
    "/login",
    "/nowhere",
    "/api/schema",
    "/api/v4/packages/",
    "/api/v4/packages/alpha/",
    "/api/v4/packages/?limit=x",
    "/readyz",
    "/healthz",
)


OTHERWISE = {"/nowhere": 404, "/api/v4/packages/?limit=x": 400, "/readyz": 503}
"""Statuses of the paths that do not return 200. ``/readyz`` fails because no beat plans in this test."""


def test_the_page_and_the_api_reveal_no_secret(
    ours: Stack, marked: Marked, simulator: Simulator, redis: RedisProcess
) -> None:
    """Show that no response and no output of the web process contains a secret, with and without faults."""
    web = ours.start("web", "fetcher", "web")
    ours.until(lambda: re.search(r"http://\S+/", web.output()) or not web.runs(), "the web process listens")
    address = re.search(r"http://\S+/", web.output())
    assert address is not None, web.output()
    ours.worker("manual", "manual", concurrency=1)
    pages_shown: list[str] = []
    bearer = {"Authorization": f"Bearer {marked.operator}"}
    with httpx.Client(base_url=address[0]) as operator, httpx.Client(base_url=address[0]) as stranger:
        accepted = operator.post("/api/v4/packages/alpha/refresh/", headers=bearer)
        followed = accepted.headers["location"]
        ours.until(lambda: operator.get(followed).json()["state"] == "done", "a refresh by the API")
        logged_in = operator.post("/login", data={"token": marked.operator, "next": "/"})
        simulator.upstream("github").credentials.revoked.add(marked.token)
        simulator.faults.add(Rule(kind=Kind.HTML, route="project_json"))
        ours.fetcher("refresh", "--all")
        pages_shown += [_shown(accepted), _shown(operator.get(followed)), _shown(logged_in)]
        pages = [(path, client.get(path)) for client in (operator, stranger) for path in PATHS]
        pages_shown += [_shown(page) for _, page in pages]
        pages_shown += [_shown(stranger.post("/login", data={"token": marked.operator[:-1]}))]
        pages_shown += [_shown(stranger.post("/packages/alpha/refresh", data={"token": marked.operator}))]
        pages_shown += [
            _shown(stranger.post("/api/v4/packages/alpha/refresh/", headers={"Authorization": "Bearer Marked"}))
        ]
        stored = everything_in_database(ours.settings.database) + everything_in_redis(redis.url)
        redis.end()
        pages_shown += [_shown(client.get(path)) for client in (operator, stranger) for path in ("/", "/readyz")]
        pages_shown += [_shown(operator.post("/api/v4/packages/beta/refresh/", headers=bearer))]
    web.end()

    assert (accepted.status_code, logged_in.status_code) == (202, 303)
    assert [page.status_code for _, page in pages] == [OTHERWISE.get(path, 200) for path, _ in pages]
    assert marked.found_in("\n".join(pages_shown)) == []
    assert marked.found_in(stored) == []
    assert marked.found_in(everything_written_to(ours.folder)) == []


def _shown(answer: httpx.Response) -> str:
    """Return the visible parts of a response: status, headers and body, without its request."""
    return f"{answer.status_code}\n{answer.headers}\n{answer.text}"


def test_up_reveals_no_secret(ours: Stack, marked: Marked) -> None:
    """Show that ``fetcher up`` and its children write no secret to their output or their folder."""
    up = ours.start("up", "fetcher", "up", workers=1)
    ours.until(lambda: ours.answered(len(SLUGS)), "every source of every package answers")
    up.terminate()

    assert up.wait() == 0
    assert marked.found_in(everything_written_to(ours.folder)) == []


def test_an_apps_key_and_tokens_stay_inside(ours: Stack, marked: Marked) -> None:
    """Show that neither a GitHub App's key nor its installation's token is written anywhere."""
    app = {"github_app_id": "1", "github_app_installation_id": "7", "github_app_private_key": marked.app_key}
    output = _output(ours, ASKING, **app)
    output += _output(ours, ASKING, **{**app, "github_app_private_key": marked.app_key.replace("M", "N", 20)})
    database = everything_in_database(ours.settings.database)

    assert "refreshed 5 of 5 packages" in "\n".join(output)
    assert marked.found_in("\n".join(output) + database) == []


@pytest.mark.parametrize(
    "variable",
    [
        {"database_url": "postgresql://user:{}@host:not-a-port/x"},
        {"database_url": "{}"},
        {"database_url": "mysql://user:{}@host/x"},
        {"redis_url": "redis://:{}/x@host:1/0"},
        {"redis_url": "{}"},
        {"redis_url": "https://user:{}@host"},
        {"pypi_url": "ftp://user:{}@host"},
        {"github_token": "{}\n two lines"},
        {"github_api_url": "{}"},
        {"github_app_id": "1", "github_app_private_key": "{}", "github_app_installation_id": "1"},
        {"github_app_id": "1", "github_app_private_key": "x", "github_app_installation_id": "{}"},
        {"forges": '{{"a.org": {{"token": "{}\\n two lines"}}}}'},
        {"forges": '{{"a.org": {{"root": "https://user:{}@host"}}}}'},
        {"forges": '{{"a.org": "{}"}}'},
        {"forges": '{{"user:{}@a.org": {{}}}}'},
        {"forges": "{}"},
    ],
)
def test_a_wrong_setting_is_named_and_not_quoted(tmp_path: Path, variable: dict[str, str]) -> None:
    """Show that a misplaced or malformed secret appears neither in the error nor in its traceback."""
    secret = "MarkedSecret42"
    given = environment(data_dir=tmp_path, **{name: value.format(secret) for name, value in variable.items()})
    try:
        settings = read_settings(given)
        open_store(settings)
        credential_from(settings)
        check_redis(settings)
    except FetcherError:
        output = traceback.format_exc()

    assert "FetcherError" not in output.splitlines()[-1]
    assert "Marked" not in output


def test_celery_complains_as_shortly(tmp_path: Path) -> None:
    """Show that a wrong setting is one line in Celery's output as well, although Celery imports the settings itself."""
    with stack(tmp_path, redis_url="redis://:MarkedSecret42/x@host:1/0") as made:
        worker = made.start("worker", "celery", "-A", "tasks", "worker")
        worker.wait()

    assert "FETCHER_REDIS_URL" in worker.output()
    assert "Marked" not in everything_written_to(tmp_path)


async def test_no_repr_and_no_error_shows_a_secret(ours: Stack, marked: Marked, redis: RedisProcess) -> None:
    """Show that no text, repr or pickle of the settings, the parts and their errors contains a secret."""
    settings = ours.settings
    parts = await open_parts(settings)
    shown = [repr(settings), str(settings)]
    shown += [repr(parts), *(repr(getattr(parts, name)) for name in parts.__slots__)]
    await parts.aclose()
    redis.end()
    elsewhere = read_settings(
        {**ours.environment, "FETCHER_DATABASE_URL": settings.database.replace("host=", "host=/x")}
    )
    with pytest.raises(FetcherError) as broker:
        await open_parts(settings)
    with pytest.raises(FetcherError) as store:
        open_store(elsewhere)
    for error in (broker.value, store.value):
        shown += [repr(error), str(error), repr(pickle.dumps(error))]

    assert marked.found_in("\n".join(shown)) == []


def test_a_traceback_on_a_terminal_shows_no_variable(marked: Marked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Show that Fetcher's renderer prints no local variable. structlog's default for terminals prints all."""
    terminal = _Terminal()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(sys, "stderr", terminal)
    try:
        configure_logging("DEBUG")
        try:
            _fail_with(f"Bearer {marked.token}")
        except RuntimeError:
            structlog.get_logger("test").exception("failed")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)

    assert "RuntimeError" in terminal.getvalue()
    assert marked.found_in(terminal.getvalue()) == []


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _fail_with(authorization: str) -> None:
    raise RuntimeError(f"refused a header of {len(authorization)} characters")


def _output(ours: Stack, commands: Sequence[Sequence[str]], **settings: object) -> list[str]:
    """Return the output of the commands, with the workers' log lines at debug level."""
    done = [ours.fetcher(*command, **settings) for command in commands]
    return [one.stdout + one.stderr for one in done]
