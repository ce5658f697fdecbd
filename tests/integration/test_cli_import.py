"""``fetcher import`` and ``add``: accepted and refused records, and the effect of a second import."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from fetcher.catalogue.intake import files
from fetcher.cli import importing, progress
from fetcher.domain.model import CatalogueEntry
from fetcher.ports import Imported
from fetcher.store.packages import Packages
from fetcher.sync import pages as pages_of_sources
from tests.harness.debian import programs
from tests.harness.pages import Pages
from tests.harness.seeds import SEEDS
from tests.integration.conftest import Done, Fetcher

NOTHING_WRONG = {"rejected": [], "rejected_count": 0, "unsupported": [], "unsupported_count": 0}
ADDED_TWO = {"added": 2, "updated": 0, "unchanged": 0, **NOTHING_WRONG}


@pytest.fixture
def pages() -> Iterator[Pages]:
    """Serve a directory's API on loopback."""
    with Pages() as served:
        yield served


def test_a_folder_a_file_and_a_list_are_the_same(bare: Fetcher, tmp_path: Path) -> None:
    """Documents imported as a folder, then twice as one file, change nothing after the first import."""
    documents = [json.loads(path.read_text("utf-8")) for path in sorted(SEEDS.glob("*.json"))]
    file = _file(tmp_path / "all.json", documents)

    summary = [_summary(bare("import", given, "--json")) for given in (str(SEEDS), file, file)]

    assert [(one["added"], one["updated"], one["unchanged"]) for one in summary] == [(5, 0, 0), (0, 0, 5), (0, 0, 5)]


def test_csv_and_addresses(bare: Fetcher, tmp_path: Path) -> None:
    """A CSV of repositories and projects is accepted, and a text of addresses in every form that git takes."""
    table = tmp_path / "packages.csv"
    table.write_text("repo_url,pypi_url\nhttps://github.com/lesscpy/lesscpy,lesscpy\nhttps://github.com/a/b,\n")
    text = tmp_path / "addresses.txt"
    text.write_text("# ours\ngit@github.com:c/d.git\nssh://git@github.com/e/f\n")

    first, second = (_summary(bare("import", str(given), "--json")) for given in (table, text))
    again = _summary(bare("import", str(table), str(text), "--json"))

    assert first == second == ADDED_TWO
    assert again == {**ADDED_TWO, "added": 0, "unchanged": 4}


def test_the_editors_fields_are_carried_through(bare: Fetcher, tmp_path: Path) -> None:
    """An edited title is stored, and unknown keys keep their place and their values."""
    document = json.loads((SEEDS / "2223-lesscpy.json").read_text("utf-8"))
    document |= {"title": "less in Python", "usage_count": 7, "badge": {"colour": ["blue", None, 1.5]}}
    bare("import", str(SEEDS))

    summary = _summary(bare("import", _file(tmp_path / "edited.json", document), "--json"))
    shown = bare("show", "lesscpy", "--format", "v4", time_zone="America/New_York")

    assert (summary["updated"], summary["unchanged"]) == (1, 0)
    assert list(json.loads(shown.out).items()) == list(document.items())


def test_bad_records_are_named_and_the_good_ones_stored(bare: Fetcher, tmp_path: Path) -> None:
    """Each bad record is reported with file, position, field and expected value.

    Status is 1, and all others are imported.
    """
    good = {"slug": "good", "title": "Good", "repo_url": "https://github.com/a/good"}
    records = [good, {**good, "slug": "no spaces allowed"}, {"title": "nameless"}, 7, {**good, "slug": "also-good"}]

    done = bare("import", _file(tmp_path / "mixed.json", records))

    assert done.status == 1
    assert done.out == "2 added, 0 updated, 0 unchanged, 3 rejected, 0 not to be fetched\n"
    assert [line.partition(": expected")[0] for line in done.err.splitlines()] == [
        f"rejected {tmp_path}/mixed.json, [1]: slug",
        f"rejected {tmp_path}/mixed.json, [2]: slug",
        f"rejected {tmp_path}/mixed.json, [3]: document",
    ]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("cut.json", b'[{"slug": "a"', "cut.json: line 1, column 14: expected JSON"),
        ("latin.json", b'{"slug": "\xe9"}', "latin.json: encoding: expected UTF-8, got byte 0xe9"),
        ("picture.json", b"\x89PNG\x00\x00", "is a binary file (or UTF-16). Give v4 documents as JSON"),
        ("empty.txt", b"\n\n", "is empty. Give v4 documents as JSON"),
        (
            "packages.csv",
            b"a,b\n1,2\n",
            "has no known column in its first line. Begin with a line of columns such as",
        ),
    ],
)
def test_files_that_are_none(bare: Fetcher, tmp_path: Path, name: str, content: bytes, complaint: str) -> None:
    """A file that is cut, binary, empty, without a header or in another encoding is one line and status 1."""
    (tmp_path / name).write_bytes(content)

    done = bare("import", str(tmp_path / name))

    assert done.status == 1
    assert len(done.err.splitlines()) == 1
    assert done.err.startswith(f"rejected {tmp_path / name}")
    assert complaint in done.err


def test_unsupported_addresses_are_stored_and_reported(bare: Fetcher, tmp_path: Path) -> None:
    """A repository on another host is stored and reported, and is no error."""
    entry = {"slug": "far", "title": "Far", "repo_url": "https://gitlab.example/a/far"}

    done = bare("import", _file(tmp_path / "far.json", entry))

    assert done.status == 0
    assert done.err.startswith("not fetched far: ")
    assert "gitlab.example" in bare("show", "far").out


def test_pages_are_followed_to_the_end(bare: Fetcher, pages: Pages) -> None:
    """``objects`` and ``results``, absolute and relative links are followed, and no request carries the token."""
    pages.give("/one", {"objects": [_entry("a")], "next": f"{pages.url}/two"})
    pages.give("/two", {"results": [_entry("b")], "meta": {"next": None}})

    done = bare("import", f"{pages.url}/one", "--json", github_token="secret")

    assert _summary(done) == ADDED_TWO
    assert [path for path, _ in pages.requests] == ["/one", "/two"]
    assert not any("authorization" in {name.lower() for name in headers} for _, headers in pages.requests)


def test_pages_that_go_round_end(bare: Fetcher, pages: Pages) -> None:
    """A chain of links that returns to an earlier page is read once."""
    pages.give("/one", {"objects": [_entry("a")], "next": "/two"})
    pages.give("/two", {"objects": [_entry("b")], "next": "/one"})

    assert _summary(bare("import", f"{pages.url}/one", "--json")) == ADDED_TWO
    assert len(pages.requests) == 2


def test_pages_stay_on_their_host(bare: Fetcher, pages: Pages) -> None:
    """A link to another host is not followed. The records before it are stored, and the status reports it."""
    with Pages() as other:
        pages.give("/one", {"objects": [_entry("a")], "next": f"{other.url}/two"})
        done = bare("import", f"{pages.url}/one")

    assert done.status == 1
    assert done.err == f"rejected {pages.url}/one names a next page on another host. Import that address by itself\n"
    assert done.out.startswith("1 added")
    assert other.requests == []


def test_addresses_that_do_not_answer_as_a_directory(bare: Fetcher, pages: Pages) -> None:
    """A 404, a web page, a redirect and a closed port are one line with the address, and status 1."""
    web = pages.give("/web", b"<!doctype html><title>Welcome</title>")
    pages.answers["/moved"] = (302, {"Location": "http://127.0.0.1:9/elsewhere"}, b"")
    wanted = {
        f"{pages.url}/nothing": "returned 404. Check the address\n",
        web: "expected JSON",
        f"{pages.url}/moved": "returned 302. Check the address",
        "http://127.0.0.1:9/api": "does not respond (127.0.0.1: cannot connect",
    }

    for url, expected in wanted.items():
        done = bare("import", url)
        assert (done.status, len(done.err.splitlines())) == (1, 1)
        assert done.err.startswith(f"rejected {url}")
        assert expected in done.err


@pytest.mark.parametrize("form", ["list", "page"])
def test_a_list_too_long_for_memory(bare: Fetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """Refuse it with status 1. The printed command converts it to JSON lines, which are imported at any length."""
    programs(["jq"], ["jq"])
    entries = [_entry("a"), _entry("b")]
    given = _file(tmp_path / "two packages.json", {"meta": {}, "objects": entries} if form == "page" else entries)
    monkeypatch.setattr(files, "LONGEST_JSON", 20)

    refused = bare("import", given)
    subprocess.run(["bash", "-c", refused.err.partition("JSON lines: ")[2]], check=True)

    assert (refused.status, refused.out.partition(",")[0]) == (1, "0 added")
    assert _summary(bare("import", f"{given}.jsonl", "--json")) == ADDED_TWO


def test_a_page_too_long_for_memory(bare: Fetcher, pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse it with a command that imports it by JSON lines; nothing is stored."""
    monkeypatch.setattr(pages_of_sources, "LONGEST_JSON", 20)
    url = pages.give("/all", [_entry("a"), _entry("b")])

    done = bare("import", url)

    assert (done.status, done.out.partition(",")[0]) == (1, "0 added")
    assert done.err.startswith(f"rejected {url} is one JSON value of more than 64 MB. Convert it to JSON lines: curl ")
    assert done.err.endswith(" | fetcher import -\n")


def test_nothing_there(bare: Fetcher, tmp_path: Path) -> None:
    """A missing path and a folder without packages are reported with a remedy."""
    (tmp_path / "folder").mkdir()

    missing, empty = bare("import", str(tmp_path / "missing")), bare("import", str(tmp_path / "folder"))

    assert missing.err.endswith("missing does not exist. Give a file, or a folder of files\n")
    assert "holds no file of packages. Give v4 documents" in empty.err
    assert (missing.status, empty.status) == (1, 1)


def test_add(bare: Fetcher) -> None:
    """A package is added by its address, with a project.

    A second time changes nothing, and the project can follow later.
    """
    first = bare("add", "https://github.com/Lesscpy/lesscpy.git")
    again = bare("add", "https://github.com/Lesscpy/lesscpy.git")
    named = bare("add", "https://github.com/Lesscpy/lesscpy.git", "--pypi", "lesscpy")

    assert [done.err for done in (first, again, named)] == ["added\n", "already stored, nothing changed\n", "updated\n"]
    assert [done.status for done in (first, again, named)] == [0, 0, 0]
    assert {done.out for done in (first, again, named)} == {"lesscpy\n"}


def test_add_prints_the_slug_that_it_chose(bare: Fetcher) -> None:
    """A taken slug is replaced by another one, which is on stdout, alone or as JSON."""
    first = bare("add", "https://github.com/one/requests")
    other = bare("add", "https://github.com/other/requests")
    as_json = bare("add", "https://github.com/other/requests", "--json")

    assert [done.out for done in (first, other)] == ["requests\n", "other-requests\n"]
    assert json.loads(as_json.out) == {"slug": "other-requests", "result": "unchanged", "unsupported": []}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["not an address"], "'not an address' is not a repository URL: expected an https, http, git or ssh"),
        (["https://github.com/a/b", "--pypi", "no/name"], "--pypi 'no/name'"),
    ],
)
def test_add_refuses_a_malformed_address(bare: Fetcher, arguments: list[str], complaint: str) -> None:
    """A malformed address or name is one line, and nothing is stored."""
    assert complaint in bare("add", *arguments).complaint
    assert bare("refresh", "--all").err.startswith("there are no packages yet")


PRIVATE = "gitlab.example is a private or reserved name, not a public host; an operator may name it in FETCHER_FORGES"


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("https://gitlab.example/a/far", f"far: {PRIVATE}"),
        ("https://github.com/far", "far: it names the account far, not a repository"),
    ],
)
def test_add_refuses_unsupported_addresses(bare: Fetcher, address: str, reason: str) -> None:
    """A package on another host or without a repository is refused, unless the user wants it in the list anyway."""
    refused = bare("add", address)
    assert refused.complaint == (
        f"{address} cannot be fetched: {reason.removeprefix('far: ')}. To store it nevertheless, add --unsupported-ok"
    )
    assert bare("list").out == ""

    done = bare("add", address, "--unsupported-ok")

    assert (done.status, done.out, done.err) == (0, "far\n", f"added\nnot fetched {reason}\n")
    assert address in bare("show", "far").out


def _entry(slug: str) -> dict[str, Any]:
    return {"slug": slug, "title": slug, "repo_url": f"https://github.com/owner/{slug}"}


def _file(path: Path, value: object) -> str:
    path.write_text(json.dumps(value), "utf-8")
    return str(path)


def _summary(done: Done) -> dict[str, Any]:
    """Return the JSON of a successful import."""
    assert done.status == 0, done.err
    summary: dict[str, Any] = json.loads(done.out)
    return summary


def test_many_bad_records_are_bounded_on_screen(bare: Fetcher, tmp_path: Path) -> None:
    """The screen shows fifty lines and the number of others. The requested file has all, and all are counted."""
    lines = [json.dumps({"slug": f"not good {n}"}) for n in range(120)] + [json.dumps(_entry("good"))]
    (tmp_path / "many.jsonl").write_text("\n".join(lines), "utf-8")
    every = tmp_path / "rejected.jsonl"

    done = bare("import", str(tmp_path / "many.jsonl"), "--rejected", str(every), "--json")

    assert done.status == 1
    assert (len(done.err.splitlines()), done.err.splitlines()[-1]) == (51, "rejected 70 more")
    summary = json.loads(done.out)
    assert (summary["added"], summary["rejected_count"], len(summary["rejected"])) == (1, 120, 50)
    written = [json.loads(line) for line in every.read_text("utf-8").splitlines()]
    assert [f"{one['where']}: {one['reason']}" for one in written][:50] == summary["rejected"]
    assert written[119]["where"] == f"{tmp_path}/many.jsonl, line 120"
    assert written[119]["reason"].startswith("slug: expected")


def test_progress_without_a_terminal_is_in_lines(
    bare: Fetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of packages, the part of the file and the rate, on stderr, so that stdout stays the result."""
    monkeypatch.setattr(progress, "EVERY", 0)
    monkeypatch.setattr(importing, "_PART", 2)

    done = bare("import", _file(tmp_path / "three.json", [_entry("a"), _entry("b"), _entry("c")]))

    first, last = (re.sub(r"[\d,]+ a second", "N a second", line) for line in done.err.splitlines())
    assert (first, last) == ("imported 2 packages, 100%, N a second", "imported 3 packages, 100%, N a second")
    assert done.out.startswith("3 added")


def test_an_interrupted_import_is_continued(bare: Fetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After Ctrl-C the number of stored records is printed, and the same command imports the rest."""
    given = _file(tmp_path / "many.json", [_entry(f"p-{n}") for n in range(10)])
    store = Packages.import_entries
    monkeypatch.setattr(importing, "_PART", 3)

    def cut(self: Packages, entries: Sequence[CatalogueEntry], now: datetime) -> Imported:
        if entries[0].slug == "p-6":
            raise KeyboardInterrupt
        return store(self, entries, now)

    with monkeypatch.context() as patch:
        patch.setattr(Packages, "import_entries", cut)
        done = bare("import", given)
    rest = _summary(bare("import", given, "--json"))

    assert (done.status, done.out) == (130, "")
    assert done.err == "interrupted: 6 packages are stored; run the same command again to continue\n"
    assert (rest["added"], rest["unchanged"]) == (4, 6)


def test_a_page_that_fails_names_the_next_command(bare: Fetcher, pages: Pages) -> None:
    """The earlier pages are stored, and the printed command imports only the rest."""
    pages.give("/one", {"objects": [_entry("a")], "next": "/two?page=2&limit=1"})

    cut = bare("import", f"{pages.url}/one")
    pages.give("/two?page=2&limit=1", {"objects": [_entry("b")], "next": None})
    command = cut.err.partition("`fetcher ")[2].partition("`")[0]
    rest = bare(*shlex.split(command), "--json")

    assert (cut.status, cut.out.startswith("1 added")) == (1, True)
    assert _summary(rest)["added"] == 1
    assert [path for path, _ in pages.requests].count("/one") == 1
