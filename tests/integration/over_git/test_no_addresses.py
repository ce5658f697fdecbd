"""No e-mail address of a history reaches the store, the logs, the metrics, the documents or the pages."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from fetcher.catalogue.documents import write_document
from fetcher.domain.model import Source
from fetcher.monitoring import MetricsRecorder
from fetcher.settings import Settings, read_settings
from fetcher.store import SqlStore
from fetcher.web import WebContext, make_app
from fetcher.web.session import Sessions
from tests.component.web.conftest import FakeRuntime
from tests.harness.clock import NOW, StoppedClock
from tests.harness.git_histories import Pen
from tests.harness.git_server import GitServer, Repository
from tests.harness.loopback import Reply
from tests.harness.over_git import over_git
from tests.harness.scripted_git import ADVERTISEMENT, RESULT, ScriptedGit, capabilities, packet

MARK = "marked.invalid"
PEOPLE = (
    ("Ann", f"ann@{MARK}"),
    (f"bob@{MARK}", f"bob@{MARK}"),
    (f"Cyd (cyd@{MARK})", f"cyd@{MARK}"),
    (f"Doe, Jane jane@{MARK}, Jr.", f"jane@{MARK}"),
    ("", f"nameless@{MARK}"),
    ("Eve Ö.", f"EVE@{MARK.upper()}"),
)
PATHS = ("/", "/packages", "/packages/alpha", "/failures", "/metrics", "/api/v4/packages/alpha/", "/api/v4/packages/")


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> pytest.CaptureFixture[str]:
    """Capture everything that is logged, at the most detailed level."""
    monkeypatch.setenv("FETCHER_LOG_LEVEL", "DEBUG")
    return capfd


async def test_no_address_is_kept(
    tmp_path: Path, server: GitServer, logged: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Marked addresses, also in names and in a server's error, are found nowhere."""
    caplog.set_level("DEBUG")
    pen, recorder = Pen(Repository.create(server.root / "alpha")), MetricsRecorder()
    async with over_git(tmp_path, server.url, observer=recorder) as git:
        for number, person in enumerate(PEOPLE):
            pen.commit(person, git.clock.now() - timedelta(days=40 - number))
        git.add("alpha")
        await git.work()
        git.tomorrow()
        pen.commit(PEOPLE[3], git.clock.now() - timedelta(hours=1))
        await git.work()
        package = git.get("alpha")
        assert package.observed.participants == ("Doe Jane jane Jr.", "Ann", "bob", "Cyd cyd", "Eve Ö.")
        document = write_document(package, read_settings({}).time_zone, git.clock.now().date())
        found = [json.dumps(document), str(recorder.take()), repr(package), *await asyncio.to_thread(_pages, git.store)]
        assert any("Doe Jane" in text for text in found)
    found += [*logged.readouterr(), caplog.text]
    found += await asyncio.to_thread(_stored, tmp_path)
    assert not [text for text in found if MARK in text.lower()]
    assert not [text for text in found if "nameless" in text]


async def test_no_address_in_a_servers_error(tmp_path: Path) -> None:
    """A server's message is stored without the addresses in it."""
    replies = {
        "GET": Reply(200, ADVERTISEMENT, capabilities()),
        "POST": Reply(200, RESULT, packet(f"ERR ask root@{MARK}".encode())),
    }
    with ScriptedGit(lambda method, path, body: replies[method]) as server:
        async with over_git(tmp_path, server.url) as git:
            git.add("alpha")
            await git.work()
            message = git.state("alpha", Source.REPOSITORY).message
            assert message is not None
            assert MARK not in message
            assert "root" in message


def _pages(store: SqlStore) -> list[str]:
    """Return the texts of the page and the API."""
    settings = Settings(web_hosts="directory.test")
    app = make_app(WebContext(settings, store, StoppedClock(NOW), FakeRuntime(store), Sessions(settings.web_token)))

    async def read() -> list[str]:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://directory.test") as client:
            answers = [await client.get(path) for path in PATHS]
        assert {answer.status_code for answer in answers} == {200}, [(str(a.url), a.status_code) for a in answers]
        return [answer.text for answer in answers]

    return asyncio.run(read())


def _stored(folder: Path) -> list[str]:
    """Return the bytes of the database's files as text."""
    return [file.read_bytes().decode("latin-1") for file in folder.glob("store.db*")]
