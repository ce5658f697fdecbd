"""``fetcher export``: all documents in the form of `show`, exported and imported again."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyarrow import parquet

from fetcher.cli import export as command
from fetcher.domain.changes import parse_cursor
from fetcher.domain.model import StoredPackage
from fetcher.settings import read_settings
from fetcher.store.packages import Packages
from fetcher.wiring import open_store
from tests.harness.seeds import SEEDS
from tests.harness.stack import environment
from tests.integration.conftest import Fetcher

ZONE = "America/New_York"
ODD = {
    "slug": "odd",
    "title": "Odd ✓",
    "repo_url": "https://gitlab.example/a/odd",
    "grids": {"not": ["a", "list"]},
    "badge": {"colour": ["blue", None, 1.5]},
}


@pytest.fixture
def filled(fetcher: Fetcher, tmp_path: Path) -> Fetcher:
    """Import and refresh the five seeds, a package with keys of its own that is not fetched, and a retired one."""
    (tmp_path / "odd.json").write_text(json.dumps([ODD, {"slug": "old", "title": "Old"}]), "utf-8")
    assert fetcher("import", str(SEEDS), str(tmp_path / "odd.json")).status == 0
    assert fetcher("refresh", "--all").status == 0
    assert fetcher("retire", "old").status == 0
    fetcher.settings["time_zone"] = ZONE
    return fetcher


def test_every_document_as_it_is_shown_and_back(
    filled: Fetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Documents are exported one a line, by id, as `show` prints them.

    An export after an import into an empty database has the same bytes.
    """
    monkeypatch.setattr(command, "STRETCH", 3)
    done = filled("export")
    documents = _documents(done.out)
    shown = [json.loads(filled("show", one["slug"], "--format", "v4").out) for one in documents]

    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(done.out.encode())))
    elsewhere = {"data_dir": tmp_path / "elsewhere"}
    back = filled("import", "-", "--json", **elsewhere)
    again = filled("export", **elsewhere)

    assert [list(one.items()) for one in documents] == [list(one.items()) for one in shown]
    assert [one["id"] for one in documents][:5] == [265, 1412, 2192, 2223, 4005]
    assert [one["slug"] for one in documents][5:] == ["odd", "old"]
    assert done.err.splitlines()[-1] == "7 packages exported"
    assert json.loads(back.out)["added"] == 7
    assert again.out == done.out


def test_parquet_has_a_typed_column_for_each_key(filled: Fetcher, tmp_path: Path) -> None:
    """Times, counts and lists have typed columns; an editor's other JSON is kept as JSON."""
    file = tmp_path / "packages.parquet"
    documents = _documents(filled("export").out)

    done = filled("export", str(file))
    table = parquet.read_table(file)

    assert (done.status, done.out) == (0, "")
    assert table.schema.field("last_fetched").type.tz == ZONE
    assert [_as_document(row) for row in table.to_pylist()] == documents


def test_parquet_without_pyarrow_names_the_package(
    bare: Fetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without pyarrow the error is one line with the package to install, and no file is written."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    done = bare("export", str(tmp_path / "x.parquet"))

    assert "pip install '.[parquet]' in Fetcher's clone" in done.complaint
    assert "Parquet needs a file" in bare("export", "--format", "parquet").complaint
    assert list(tmp_path.glob("*x.parquet*")) == []


def test_a_file_is_replaced_completely_or_not_at_all(
    filled: Fetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupted export leaves the previous file and nothing else. A target that is no file is not replaced."""
    file = tmp_path / "out" / "packages.jsonl"
    file.parent.mkdir()
    file.write_text("the last one")
    monkeypatch.setattr(command, "STRETCH", 3)
    after = Packages.documents_after

    def cut(packages: Packages, package_id: int, limit: int) -> list[StoredPackage]:
        if package_id:
            raise KeyboardInterrupt
        return after(packages, package_id, limit)

    with monkeypatch.context() as patch:
        patch.setattr(Packages, "documents_after", cut)
        assert filled("export", str(file)).status == 130
    assert [(one.name, one.read_text()) for one in file.parent.iterdir()] == [("packages.jsonl", "the last one")]

    assert filled("export", str(file)).status == 0
    assert len(file.read_text("utf-8").splitlines()) == 7
    assert filled("export", "/dev/null").status == 0
    assert Path("/dev/null").is_char_device()
    assert "cannot be written (No such file or directory)" in filled("export", str(tmp_path / "no" / "x")).complaint


def _documents(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def _as_document(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as its original document: JSON parsed, times printed, other keys last."""

    def values() -> Iterator[tuple[str, Any]]:
        for name, value in row.items():
            if name in ("category", "grids") and value is not None and value[:1] in "[{":
                yield name, json.loads(value)
            elif isinstance(value, datetime):
                yield name, value.isoformat()
            elif name != "extra":
                yield name, value

    return dict(values()) | json.loads(row["extra"] or "{}")


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl.gz", "x.xlsx"])
def test_a_file_of_another_format_is_refused(bare: Fetcher, tmp_path: Path, name: str) -> None:
    """No JSON lines are written into a file whose name states another format, unless the user chooses the format."""
    refused = bare("export", str(tmp_path / name))
    assert refused.complaint.endswith("is no format of an export. Name a .jsonl or .parquet file, or give --format")
    assert not (tmp_path / name).exists()
    assert bare("export", str(tmp_path / name), "--format", "jsonl").status == 0
    assert (tmp_path / name).exists()


def test_the_cursor_of_an_export(filled: Fetcher, tmp_path: Path) -> None:
    """The written cursor is the end of the change feed before the export: later changes follow it."""
    done = filled("export", str(tmp_path / "all.jsonl"), "--cursor", str(tmp_path / "cursor"))
    assert done.status == 0
    written = (tmp_path / "cursor").read_text("utf-8").strip()
    assert f"continues after the cursor {written}" in done.err
    assert filled("add", "https://github.com/owner/later").status == 0
    with open_store(read_settings(environment(**filled.settings))) as store:
        store.changes.number(datetime.now(UTC))
        cursor = parse_cursor(written)
        assert cursor is not None
        changed = store.changes.page(cursor, 100).changes
        assert "later" in [one.slug for one in changed]
        assert store.changes.extent().holds(cursor)
