"""Files and folders: detection of a file's format, and unreadable inputs."""

from __future__ import annotations

import io
import json
import os
import shutil
from pathlib import Path

import pytest

from fetcher.catalogue.documents import EDITOR_KEYS, read_document
from fetcher.catalogue.intake import Entry, PassedOver, Rejected, read_file, read_folder, read_path, read_stream
from fetcher.catalogue.intake import files as module
from fetcher.domain.errors import InputError
from tests.harness.seeds import SEEDS

SEED = next(iter(sorted(SEEDS.glob("*.json"))))


def slugs(path: Path) -> list[str]:
    return [item.entry.slug if isinstance(item, Entry) else str(item) for item in read_path(path)]


def test_a_folder_of_documents() -> None:
    """Read the five seeds in the order of their names, each a complete document."""
    items = list(read_path(SEEDS))
    assert [item.entry.id for item in items if isinstance(item, Entry)] == [1412, 2192, 2223, 265, 4005]
    assert items[0] == Entry(str(SEED), read_document(json.loads(SEED.read_bytes())))  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", ["json", "jsonl", "csv", "txt", "data", ""])
@pytest.mark.parametrize(
    ("content", "where"),
    [
        ('{\n "slug": "x"\n}\n', ""),
        ('{"slug": "x"}', ""),
        ('[{"slug": "x"}]', ", [0]"),
        ('{"objects": [{"slug": "x"}], "meta": {}}', ", objects[0]"),
        ('\ufeff{\n"results": [\n{"slug": "x"}], "next": null}', ", results[0]"),
    ],
)
def test_json_is_known_by_its_content(tmp_path: Path, suffix: str, content: str, where: str) -> None:
    """Detect one object, a list or a page under any file name, with or without a byte order mark."""
    path = tmp_path / f"x.{suffix}"
    path.write_text(content, encoding="utf-8")
    (item,) = read_file(path)
    assert isinstance(item, Entry)
    assert item.entry.slug == "x"
    assert item.where.replace(", line 1", "") == str(path) + where


@pytest.mark.parametrize("suffix", ["jsonl", "json", "txt", "ndjson"])
def test_json_lines_are_known_by_their_content(tmp_path: Path, suffix: str) -> None:
    """Detect one object a line; reject a bad line alone, with its number."""
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(b'\n{"slug": "a"}\n\n{"slug": \n7\n{"slug": "\xff"}\n{"slug": "b"}')
    items = list(read_file(path))
    assert [item.where for item in items] == [f"{path}, line {number}" for number in (2, 4, 5, 6, 7)]
    assert [type(item) for item in items] == [Entry, Rejected, Rejected, Rejected, Entry]


def test_json_lines_by_name_survive_a_bad_first_line(tmp_path: Path) -> None:
    """Detect the format by the name if the content is invalid."""
    path = tmp_path / "x.jsonl"
    path.write_text('{"slug": oops}\n{"slug": "b"}\n')
    assert [type(item) for item in read_file(path)] == [Rejected, Entry]


@pytest.mark.parametrize("suffix", ["csv", "txt", ""])
def test_csv_is_known_by_its_header(tmp_path: Path, suffix: str) -> None:
    """Treat a first line with the name of a field as a header."""
    path = tmp_path / f"x.{suffix}"
    path.write_text("repo_url,pypi_url\nhttps://github.com/o/r,r\n")
    assert slugs(path) == ["r"]


@pytest.mark.parametrize("suffix", ["txt", "list"])
def test_addresses_are_known_by_their_content(tmp_path: Path, suffix: str) -> None:
    """Allow comments and blank lines before the first address."""
    path = tmp_path / f"x.{suffix}"
    path.write_text("# mine\n\nhttps://github.com/o/r\ngit@github.com:o/s.git\n")
    assert slugs(path) == ["r", "s"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.json", b"", "is empty"),
        ("x.txt", b"\n \n# nothing\n", "is empty"),
        ("x.json", b"\xef\xbb\xbf", "is empty"),
        ("x.json", '{"slug": "x"}'.encode("utf-16"), "is a binary file (or UTF-16)"),
        ("x.png", b"\x89PNG\r\n\x1a\n\x00\x00", "is a binary file"),
        ("x.csv", b"name,url\nx,y\n", "x.csv has no known column in its first line"),
        ("x.md", b"Packages\n========\n", "has an unknown format"),
    ],
)
def test_a_file_that_cannot_be_read_at_all(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    """Raise an error of one line with a remedy before anything is read."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_path(path)
    assert message in caught.value.message
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


def test_a_csv_file_without_a_header(tmp_path: Path) -> None:
    """Name every column. The documentation has a line for each."""
    path = tmp_path / "packages.csv"
    path.write_text("name,url\nx,y\n", "utf-8")
    with pytest.raises(InputError) as caught:
        read_path(path)
    page = (Path(__file__).parents[3] / "docs" / "import-export.md").read_text("utf-8")
    for column in EDITOR_KEYS:
        assert column in caught.value.remedy
        assert f"\n| `{column}` |" in page


def test_inputs_that_are_no_file(tmp_path: Path) -> None:
    """Reject a missing path, a folder without files, and a pipe that would never end."""
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "empty").mkdir()
    for path, message in [
        (tmp_path / "absent", "does not exist"),
        (tmp_path / "absent" / "x", "does not exist"),
        (tmp_path / "empty", "holds no file of packages"),
        (tmp_path / "pipe.txt", "is not a file"),
        (SEED / "x", "cannot be read"),
    ]:
        with pytest.raises(InputError, match=message):
            read_path(path)


def test_a_folder_reports_skipped_files(tmp_path: Path) -> None:
    """Reject a bad file alone, report unsuitable files and folders as skipped, and ignore hidden files."""
    shutil.copy(SEED, tmp_path / "b.json")
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "c.csv").write_bytes(b"")
    (tmp_path / "d.md").write_text("# Notes")
    (tmp_path / "e.json").mkdir()
    (tmp_path / ".hidden.json").write_text("{")
    (tmp_path / "f.txt").write_text("https://github.com/o/r")
    items = list(read_folder(tmp_path))
    assert {Path(item.where).parent for item in items} == {tmp_path}
    assert [(type(item), Path(item.where).name.partition(",")[0]) for item in items] == [
        (Rejected, "a.json"),
        (Entry, "b.json"),
        (Rejected, "c.csv"),
        (PassedOver, "d.md"),
        (PassedOver, "e.json"),
        (Entry, "f.txt"),
    ]


def test_a_page_in_a_file_reports_further_pages(tmp_path: Path) -> None:
    """Report that a page's link is not followed."""
    path = tmp_path / "page.json"
    path.write_text('{"results": [{"slug": "x"}], "next": "https://d.example/?page=2"}')
    assert [type(item) for item in read_file(path)] == [Entry, PassedOver]


def test_bad_json_names_its_place(tmp_path: Path) -> None:
    """Report the line and column, the expected form and the actual text."""
    path = tmp_path / "x.json"
    path.write_text('[\n  {"slug": "x",}\n]')
    (bad,) = read_file(path)
    assert isinstance(bad, Rejected)
    assert bad.field.startswith("line 2, column")
    assert str(bad).startswith(f"{path}: line 2, column")


def test_bytes_that_are_no_text_name_their_position(tmp_path: Path) -> None:
    """Count the position from the beginning of the file, byte order mark included."""
    path = tmp_path / "x.json"
    path.write_bytes(b'\xef\xbb\xbf[{"slug":\n"\xe9"}]')
    assert list(read_file(path)) == [Rejected(str(path), "encoding", "UTF-8", "byte 0xe9 at position 14")]


class Drop(io.BytesIO):
    """A stream that returns a few bytes at a time, as a pipe may."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 7, 7))


@pytest.mark.parametrize(
    "raw",
    [
        b'{"slug": "a"}\n{"slug": "b"}\n',
        b'[{"slug": "a"},\n {"slug": "b"}]',
        b"# two\nhttps://github.com/o/a\nhttps://github.com/o/b\n",
        b"repo_url\nhttps://github.com/o/a\nhttps://github.com/o/b\n",
    ],
)
def test_a_stream_that_cannot_be_read_twice(raw: bytes) -> None:
    """Detect the format without losing the beginning, and report every byte to the callback."""
    listed: list[int] = []
    items = list(read_stream(Drop(raw), listed.append))
    assert [item.entry.slug for item in items if isinstance(item, Entry)] == ["a", "b"]
    assert sum(listed) == len(raw)


LIST = b'[{"slug": "a"},\n {"slug": "b"}]'
PAGE = b'{"meta": {"next": null}, "objects": [\n{"slug": "a"}, {"slug": "b"}]}'


@pytest.mark.parametrize("raw", [LIST, PAGE])
def test_a_json_value_too_long_for_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raw: bytes) -> None:
    """Refuse a value longer than the limit before parsing, and read one of exactly this length."""
    path = tmp_path / "x.json"
    path.write_bytes(raw)
    monkeypatch.setattr(module, "LONGEST_JSON", len(raw))
    assert slugs(path) == ["a", "b"]
    monkeypatch.setattr(module, "LONGEST_JSON", len(raw) - 1)
    with pytest.raises(InputError, match="is one JSON value of more than 64 MB") as caught:
        read_path(path)
    assert str(path) in caught.value.message
    assert caught.value.remedy.endswith(f" {path} > {path}.jsonl")


def test_a_stream_too_long_for_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse a longer value of standard input too; JSON lines of the same length are read."""
    monkeypatch.setattr(module, "LONGEST_JSON", len(LIST) - 1)
    with pytest.raises(InputError, match=r"standard input .* jq -c '\.\[\]' \| fetcher import -"):
        list(read_stream(io.BytesIO(LIST)))
    lines = b'{"slug": "a"}\n{"slug": "b"}\n{"slug": "c"}\n'
    assert len(list(read_stream(io.BytesIO(lines)))) == 3


def test_a_folder_names_the_file_too_long_for_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reject it alone, with the remedy; its neighbours are read."""
    (tmp_path / "a.json").write_bytes(LIST)
    (tmp_path / "b.json").write_bytes(b'{"slug": "c"}')
    monkeypatch.setattr(module, "LONGEST_JSON", len(LIST) - 1)
    bad, good = read_folder(tmp_path)
    assert isinstance(bad, Rejected)
    assert "jq -c" in str(bad)
    assert isinstance(good, Entry)
