"""Every command in the documents, run against the simulator as a reader would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from fetcher.catalogue.intake import Entry, read_folder
from fetcher.settings import read_settings
from fetcher.simulator.server import Simulator
from fetcher.wiring import open_store
from tests.harness.debian import programs
from tests.harness.directory import Directory
from tests.harness.documents import DOCUMENTS, ROOT, blocks_of, script_of
from tests.harness.processes import free_port
from tests.harness.seeds import SEEDS
from tests.harness.stack import environment, simulated

SHOWING = [path for path in DOCUMENTS if any(block.reason is None for block in blocks_of(path))]
ADDED = "lesscpy"
"""The package that documents add by hand, before they import it with the others."""
LONGEST = 900

pytestmark = pytest.mark.timeout(LONGEST + 20)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a reader's folder: the set-up in ``.venv``, and a catalogue to import.

    Its path is short, unlike ``tmp_path``: the path of the embedded Redis' socket has 107 characters at most.
    """
    with TemporaryDirectory(prefix="reader-", ignore_cleanup_errors=True) as name:
        path = Path(name)
        (path / ".venv").symlink_to(sys.prefix)
        catalogue = [json.loads(path.read_text("utf-8")) for path in sorted(SEEDS.glob("*.json"))]
        (path / "packages.json").write_text(json.dumps(catalogue), "utf-8")
        (path / "Procfile").symlink_to(ROOT / "Procfile")
        (path / "deploy").symlink_to(ROOT / "deploy")
        yield path


@pytest.fixture
def site_url(new_database: Callable[..., str]) -> Iterator[str]:
    """Provide the address of a site with the seeds' packages, under the role that `fetcher site grants` prints."""
    directory = Directory(new_database())
    directory.create()
    for path in sorted(SEEDS.glob("*.json")):
        directory.add_document(json.loads(path.read_text("utf-8")))
    with directory.restricted() as url:
        yield url


@pytest.mark.slow
@pytest.mark.parametrize("path", SHOWING, ids=lambda path: path.name)
def test_the_commands_of(
    path: Path, folder: Path, simulator: Simulator, empty_postgres_url: str, redis_url: str, site_url: str
) -> None:
    ports = {usual: str(free_port()) for usual in ("8080", "8990", "5555")}
    settings = {
        **simulated(simulator),
        "data_dir": folder / "data",
        "web_port": ports["8080"],
        "web_token": "a-token-of-the-operators",
        "plan_interval": 1,
        "workers": 1,
    }
    servers = {"HERE_FETCHER_DATABASE_URL": empty_postgres_url, "HERE_FETCHER_REDIS_URL": redis_url}
    servers["HERE_FETCHER_SITE_URL"] = site_url
    servers["HERE_FLOWER_BASIC_AUTH"] = "fetcher:a-password-of-the-operators"
    programs(["curl", "sqlite3", "postgresql-client"], ["curl"], ["sqlite3"], ["pg_dump"], ["pg_restore"])
    script = script_of(blocks_of(path), ports)
    entries = [one.entry for one in read_folder(SEEDS) if isinstance(one, Entry) and one.entry.slug != ADDED]
    with open_store(read_settings(environment(**settings))) as store:
        store.packages.import_entries(entries, datetime.now(UTC))
    done = subprocess.run(
        ["bash", "-x", "-c", script],
        cwd=folder,
        env={
            **environment(**settings),
            **servers,
            "CHECKOUT": str(ROOT),
            "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-5000:]}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_blocks_that_are_not_run_parse(path: Path) -> None:
    for block in blocks_of(path):
        subprocess.run(["bash", "-n", "-c", block.text], check=True, capture_output=True)
