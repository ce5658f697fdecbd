"""Downgrades, and the migrations over which old processes continue to run."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import Engine, inspect

from fetcher.domain.errors import StoreError
from fetcher.store import current_revision, downgrade, is_current, open_engine, upgrade
from fetcher.store.migrations import HEAD
from tests.harness.documents import ROOT
from tests.harness.stores import Catalogue

ROLLING = re.findall(r"^\| `(\d{4})` \| yes \|", (ROOT / "docs/upgrade.md").read_text("utf-8"), re.MULTILINE)
"""Migrations over which, by the document, old processes may run."""


LISTED = re.findall(r"^\| `(\d{4})` \| (?:yes|no) \|", (ROOT / "docs/upgrade.md").read_text("utf-8"), re.MULTILINE)


def test_the_document_lists_every_migration() -> None:
    """An operator finds each migration after the first, in its order."""
    assert [f"{number:04}" for number in range(2, int(HEAD) + 1)] == LISTED


def _tables(engine: Engine) -> dict[str, Any]:
    inspector = inspect(engine)
    return {
        name: (
            [(column["name"], str(column["type"]), column["nullable"]) for column in inspector.get_columns(name)],
            sorted(str(index["name"]) for index in inspector.get_indexes(name)),
        )
        for name in inspector.get_table_names()
    }


@pytest.mark.parametrize("revision", ROLLING)
def test_old_processes_find_their_tables_unchanged(engine: Engine, revision: str) -> None:
    """A migration that allows a rolling upgrade adds tables and changes none that was there."""
    downgrade(engine, revision)
    after = _tables(engine)
    downgrade(engine, f"{int(revision) - 1:04}")
    before = _tables(engine)
    assert before.items() < after.items()


def test_down_and_up_keeps_the_catalogue(catalogue: Catalogue) -> None:
    """A downgrade by one revision and an upgrade leave packages and sources as they were."""
    catalogue.add("one", "two", project=True)
    engine, before = catalogue.store.engine, [catalogue.get("one"), catalogue.get("two")]
    downgrade(engine, f"{int(HEAD) - 1:04}")
    assert not is_current(engine)
    upgrade(engine)
    assert [catalogue.get("one"), catalogue.get("two")] == before


@pytest.mark.parametrize("revision", ["9999", "base", "-1", ""])
def test_an_unknown_revision_is_refused(engine: Engine, revision: str) -> None:
    """Only an earlier revision is accepted, and nothing is changed otherwise."""
    with pytest.raises(StoreError, match="is not an earlier revision"):
        downgrade(engine, revision)
    assert is_current(engine)


def test_an_empty_database_is_refused(empty_url: str) -> None:
    """A database without tables has nothing to revert."""
    engine = open_engine(empty_url)
    with pytest.raises(StoreError, match="has no tables"):
        downgrade(engine, "0001")
    assert current_revision(engine) is None
    engine.dispose()
