"""CSV and lines of addresses: packages with only some of the fields."""

from __future__ import annotations

from contextlib import chdir
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fetcher.catalogue.intake import Entry, Item, Rejected, read_file, slugified
from fetcher.domain.model import CatalogueEntry


def read(tmp_path: Path, name: str, content: str | bytes) -> list[Item]:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with chdir(tmp_path):
        return list(read_file(Path(name)))


def test_a_csv_record_states_some_fields(tmp_path: Path) -> None:
    """Read known columns in any order and case, keep unknown ones, and ignore blanks and the worker's fields."""
    header = "Maintainer, ID ,repo_url,PYPI_URL,title,slug,category,created,repo_watchers,documentation_url"
    row = 'me,7,https://github.com/o/R.x,,"a ""b""\nc",,tools,2026-01-01T00:00:00Z,999,'
    assert read(tmp_path, "x.csv", f"{header}\r\n\r\n{row}\r\n") == [
        Entry(
            "x.csv, line 3",
            CatalogueEntry(
                slug="r-x",
                title='a "b"\nc',
                id=7,
                category="tools",
                repo_url="https://github.com/o/R.x",
                created=datetime(2026, 1, 1, tzinfo=UTC),
                extra={"Maintainer": "me"},
                complete=False,
                slug_derived=True,
            ),
        )
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters_of_spreadsheets(tmp_path: Path, delimiter: str) -> None:
    """Accept semicolons, the delimiter of spreadsheets in half of Europe."""
    content = f"\ufeffslug{delimiter}pypi_url\nx{delimiter}y\n"
    (item,) = read(tmp_path, "x.csv", content)
    assert isinstance(item, Entry)
    assert (item.entry.slug, item.entry.pypi_url) == ("x", "y")
    assert not item.entry.slug_derived


def test_a_bad_record_costs_itself_alone(tmp_path: Path) -> None:
    """Report each bad record with its first line."""
    content = b'slug,id\na,1\nb,x\n,\n,3\nc,1,2\n\xff,4\n"d"e,5\nf\ng,99999999999999999999999\n"never\nclosed,6\n'
    items = read(tmp_path, "x.csv", content)
    assert [(type(item).__name__, item.where.rpartition(" ")[2]) for item in items] == [
        ("Entry", "2"),
        ("Rejected", "3"),
        ("Rejected", "5"),
        ("Rejected", "6"),
        ("Rejected", "7"),
        ("Rejected", "8"),
        ("Entry", "9"),
        ("Rejected", "10"),
        ("Rejected", "11"),
    ]
    fields = [item.field for item in items if isinstance(item, Rejected)]
    assert fields == ["id", "slug", "record", "encoding", "record", "id", "record"]


def test_a_column_that_comes_twice_is_refused(tmp_path: Path) -> None:
    """Reject a repeated column, because the valid one cannot be known."""
    (bad,) = read(tmp_path, "x.csv", "slug,Slug\na,b\n")
    assert isinstance(bad, Rejected)
    assert bad.field == "header"


def test_addresses_a_line(tmp_path: Path) -> None:
    """Accept comments, blank lines, a project after the address, and unsupported hosts."""
    content = (
        "# mine\n"
        "https://github.com/o/Django.X.git  django-x # why\n"
        "\n"
        "git+https://github.com/o/r@v1#egg=r\n"
        "https://gitlab.com/group/sub/name/-/tree/main\n"
    )
    items = read(tmp_path, "x.txt", content)
    entries = [item.entry for item in items if isinstance(item, Entry)]
    assert [(entry.slug, entry.title, entry.pypi_url) for entry in entries] == [
        ("django-x", "Django.X", "django-x"),
        ("r", "r", None),
        ("name", "name", None),
    ]
    assert [item.where for item in items] == ["x.txt, line 2", "x.txt, line 4", "x.txt, line 5"]
    assert not any(entry.complete for entry in entries)
    assert all(entry.observed is None for entry in entries)


def test_a_line_that_is_no_address_is_named(tmp_path: Path) -> None:
    """Hide text that may be a password."""
    content = b"https://github.com/o/r\nfoo\na b c\n\xe9\nftp://user:s3cret@x/y\nhttps://github.com/\nhttps://github.com/o/...\n"
    items = read(tmp_path, "x.txt", content)
    assert [type(item) for item in items] == [Entry] + [Rejected] * 6
    assert [item.field for item in items if isinstance(item, Rejected)] == [
        "repo_url",
        "line",
        "encoding",
        "repo_url",
        "repo_url",
        "slug",
    ]
    assert "s3cret" not in repr(items)


def test_a_line_without_end_is_passed_by(tmp_path: Path) -> None:
    """Bound memory by the longest allowed line, and read the next line."""
    content = b"https://github.com/o/r\n" + b"x" * (17 * 1024 * 1024) + b"\nhttps://github.com/o/s\n\xff\n"
    items = read(tmp_path, "x.txt", content)
    assert [type(item) for item in items] == [Entry, Rejected, Entry, Rejected]
    assert items[2].where == "x.txt, line 3"
    assert isinstance(items[3], Rejected)
    assert items[3].got == f"byte 0xff at position {len(content) - 2}"


@pytest.mark.parametrize(
    ("name", "slug"), [("Django.X", "django-x"), ("a__b--c", "a__b--c"), (".github", "github"), ("é", ""), ("...", "")]
)
def test_slugs(name: str, slug: str) -> None:
    """Keep lower-case letters, digits, hyphens and underscores; return "" if nothing is left."""
    assert slugified(name) == slug
