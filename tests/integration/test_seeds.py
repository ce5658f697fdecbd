"""Five real documents are imported, refreshed and exported unchanged."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fetcher.catalogue.documents import WORKER_KEYS
from tests.harness.seeds import SEEDS
from tests.integration.conftest import Fetcher

NEW_YORK = "America/New_York"
LAST_FETCHED = re.compile(r'(?<="last_fetched": )"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}-0[45]:00)"')


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> dict[str, object]:
    """Return the settings of the embedded default, and of a server."""
    if request.param == "sqlite":
        return {}
    return {"database_url": request.getfixturevalue("postgres_url")}


@pytest.mark.parametrize("blank", [False, True], ids=["as published", "blanked"])
def test_a_refresh_gives_back_each_document(
    fetcher: Fetcher,
    database: dict[str, object],
    tmp_path: Path,
    blank: bool,  # noqa: FBT001  (a parameter of the test, never passed by hand)
) -> None:
    """After import and refresh each document has the same bytes except its time.

    The same holds if its fetched fields were blank.
    """
    fetcher.settings.update(database, time_zone=NEW_YORK)
    published = {path: path.read_text("utf-8") for path in sorted(SEEDS.glob("*.json"))}
    given = tmp_path / "given"
    given.mkdir()
    for path, text in published.items():
        (given / path.name).write_text(json.dumps(_blanked(text)) if blank else text, "utf-8")
    began = datetime.now(UTC)

    imported = fetcher("import", str(given), "--json")
    refreshed = fetcher("refresh", "--all")

    assert json.loads(imported.out)["added"] == len(published) == 5
    assert (refreshed.status, refreshed.out) == (0, "")
    for text in published.values():
        shown = fetcher("show", json.loads(text)["slug"], "--format", "v4")
        found = LAST_FETCHED.search(shown.out)
        assert found is not None
        assert began <= datetime.fromisoformat(found[1]) <= began + timedelta(hours=1)
        assert LAST_FETCHED.sub("when", shown.out) == LAST_FETCHED.sub("when", text)


def test_unrefreshed_documents_come_out_as_they_went_in(fetcher: Fetcher) -> None:
    """An import alone loses and changes nothing, not even the time of the last fetch."""
    fetcher("import", str(SEEDS))

    for path in SEEDS.glob("*.json"):
        text = path.read_text("utf-8")
        shown = fetcher("show", json.loads(text)["slug"], "--format", "v4", time_zone=NEW_YORK)
        assert shown.out == text


def _blanked(text: str) -> dict[str, Any]:
    """Return the document with the fields of a package that no worker has ever fetched."""
    empty: dict[str, Any] = {"repo_description": "", "participants": [], "commits_over_52": []}
    return {**json.loads(text), **{key: empty.get(key) for key in WORKER_KEYS}}
