"""The catalogue from the command line: ``list``, ``search``, ``set-address``, ``remove``, and misspelt slugs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer

from fetcher.cli import editing, listing, screen
from tests.harness.seeds import SEEDS
from tests.integration.conftest import Done, Fetcher

SLUGS = ["django-flatblocks", "django-loci", "django-organizations", "django-vies", "lesscpy"]


@pytest.fixture
def seeded(bare: Fetcher) -> Fetcher:
    """Provide the command with the five seeds imported."""
    assert bare("import", str(SEEDS)).status == 0
    return bare


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make rich write to a terminal of 80 columns."""
    monkeypatch.setattr(screen.out, "_force_terminal", True)
    monkeypatch.setattr(screen.out, "_width", 80)


def _slugs(done: Done) -> list[str]:
    assert done.status == 0, done.err
    return [line.split("\t")[0] for line in done.out.splitlines()]


def test_list_in_a_pipe(seeded: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line is a package: slug first, then five columns without truncation, whatever the size of a page."""
    monkeypatch.setattr(listing, "PAGE", 2)
    done = seeded("list")
    assert _slugs(done) == SLUGS
    assert done.err == ""
    first = done.out.splitlines()[0].split("\t")
    document = json.loads(seeded("show", first[0], "--format", "v4").out)
    assert first[1] == "stale"
    assert first[3:] == [document["repo_url"], document["pypi_url"], document["title"]]


def test_list_as_json(seeded: Fetcher) -> None:
    """Each package is an object with its slug, title, state, addresses and last fetch."""
    rows = json.loads(seeded("list", "--json", "--sort", "-slug").out)
    assert [row["slug"] for row in rows] == SLUGS[::-1]
    assert {"slug", "title", "state", "repo_url", "pypi_url", "last_fetched"} <= rows[0].keys()


@pytest.mark.parametrize(
    ("arguments", "slugs"),
    [
        (["list", "--search", "DJANGO vat"], ["django-vies"]),
        (["search", "DJANGO", "vat"], ["django-vies"]),
        (["search", "jazzband"], ["django-flatblocks"]),
        (["list", "--state", "stale"], SLUGS),
        (["list", "--upstream", "pypi"], SLUGS),
        (["list", "--limit", "2"], SLUGS[:2]),
        (["list", "--sort", "-repo_watchers", "--limit", "1"], ["django-organizations"]),
    ],
)
def test_list_is_filtered_and_sorted(seeded: Fetcher, arguments: list[str], slugs: list[str]) -> None:
    assert _slugs(seeded(*arguments)) == slugs


def test_lists_of_nothing(bare: Fetcher) -> None:
    """An empty catalogue names the first step; a search without a match has status 1, as grep has."""
    assert bare("list").err.startswith("there are no packages yet: `fetcher import FILE`")
    bare("import", str(SEEDS))
    listed, searched = bare("list", "--state", "gone"), bare("search", "nowhere")
    assert (listed.status, listed.out, listed.err) == (0, "", "no matching packages\n")
    assert (searched.status, searched.out, searched.err) == (1, "", "no matching packages\n")
    assert json.loads(bare("list", "--state", "gone", "--json").out) == []


def test_a_limit_is_announced(seeded: Fetcher) -> None:
    assert seeded("list", "--limit", "2").err == "2 packages; there are 3 more: raise --limit, or leave it out\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--sort", "stars"], "is not one of id, slug"),
        (["--state", "broken"], "Invalid value for '--state': 'broken' is not one of 'retired', 'gone', 'failing'"),
        (["--limit", "0"], "greater than or equal to 1"),
    ],
)
def test_list_names_the_values_that_it_takes(seeded: Fetcher, arguments: list[str], words: str) -> None:
    done = seeded("list", *arguments)
    assert (done.status, done.out) == (2, "")
    assert words in " ".join(done.err.replace("│", " ").split())


def test_list_names_the_upstreams(seeded: Fetcher) -> None:
    assert seeded("list", "--upstream", "gitlab").complaint == (
        "no upstream is called gitlab. Name one of: github, pypi"
    )


@pytest.mark.usefixtures("terminal")
def test_list_on_a_terminal(seeded: Fetcher, tmp_path: Path) -> None:
    """A table has one line a package, and control characters of a title or an address never reach the terminal."""
    evil = {"slug": "evil", "title": "\x1b[2Jgone\ttab", "repo_url": "https://gitlab.example/a/b\x1b[2J"}
    (tmp_path / "evil.json").write_text(json.dumps(evil))
    seeded("import", str(tmp_path / "evil.json"))
    done = seeded("list")
    assert [line.split()[0] for line in done.out.splitlines() if line.split()[0] in {*SLUGS, "evil"}] == [
        *SLUGS[:4],
        "evil",
        "lesscpy",
    ]
    assert "\x1b[2J" not in done.out


@pytest.mark.parametrize("command", ["show", "explain", "retire", "refresh", "remove --yes", "set-address --pypi x"])
def test_misspelt_slugs_get_a_suggestion(seeded: Fetcher, command: str) -> None:
    """A similar slug is suggested, in any case; a slug like no other gets the commands that find packages."""
    words = command.split()
    for misspelt in ("lesscpi", "LESSCPY"):
        assert seeded(*words, misspelt).complaint == f"no package is called {misspelt}. Did you mean lesscpy?"
    assert seeded(*words, "zzz").complaint == (
        "no package is called zzz. `fetcher search WORDS` finds packages, and `fetcher list` prints all"
    )


def test_remove(seeded: Fetcher) -> None:
    """The other packages stay, and an import adds the removed ones again."""
    assert "lesscpy" in _slugs(seeded("list"))
    done = seeded("remove", "lesscpy", "django-vies", "--yes")

    assert (done.status, done.out) == (0, "")
    assert done.err.startswith("removed 2 packages with ")
    assert _slugs(seeded("list")) == SLUGS[:3]
    assert _summary(seeded("import", str(SEEDS), "--json")) == (2, 0, 3)


def _summary(done: Done) -> tuple[int, int, int]:
    summary: dict[str, Any] = json.loads(done.out)
    return summary["added"], summary["updated"], summary["unchanged"]


def test_remove_in_a_pipe_needs_a_confirmation(seeded: Fetcher) -> None:
    """Without a terminal and --yes nothing is deleted; nor if one of the slugs is unknown."""
    assert seeded("remove", "lesscpy").complaint == (
        "removing lesscpy deletes all stored data of it: confirm it by --yes"
    )
    assert seeded("remove", "lesscpy", "nobody", "--yes").status == 1
    assert _slugs(seeded("list")) == SLUGS


@pytest.mark.parametrize(("answer", "left"), [(True, SLUGS[:4]), (False, SLUGS)])
def test_remove_asks_on_a_terminal(
    seeded: Fetcher,
    monkeypatch: pytest.MonkeyPatch,
    answer: bool,  # noqa: FBT001
    left: list[str],
) -> None:
    asked: list[str] = []

    def confirm(question: str, *, abort: bool, err: bool) -> bool:
        asked.append(question)
        if not answer:
            raise typer.Abort
        return abort and err

    with monkeypatch.context() as patch:
        patch.setattr(editing.sys, "stdin", type("Terminal", (), {"isatty": staticmethod(lambda: True)}))
        patch.setattr(editing.typer, "confirm", confirm)
        done = seeded("remove", "lesscpy")

    assert asked == ["Delete lesscpy with all values, releases, history and events?"]
    assert done.status == (0 if answer else 1)
    assert _slugs(seeded("list")) == left


def test_set_address_corrects_a_repository(seeded: Fetcher) -> None:
    """The old and the new address are printed, and the repository's sources are due now, as after an import."""
    done = seeded("set-address", "lesscpy", "--repo", "https://user:pwSECRET@github.com/other/lesscpy")

    assert done.status == 0
    assert done.out == "repo_url: https://github.com/lesscpy/lesscpy → https://github.com/other/lesscpy\n"
    assert "fetched again now: commits, contributors, repository\n" in done.err
    assert "pwSECRET" not in done.out + done.err + seeded("show", "lesscpy", "--format", "v4").out
    assert seeded("set-address", "lesscpy", "--repo", "https://github.com/other/lesscpy").err == "nothing changed\n"


def test_set_address_keeps_the_other_fields(seeded: Fetcher) -> None:
    """Only the given address changes; an empty one removes it."""
    before = json.loads(seeded("show", "lesscpy", "--format", "v4").out)
    assert (
        seeded("set-address", "lesscpy", "--pypi", "Other-Name").out == f"pypi_url: {before['pypi_url']} → other-name\n"
    )
    assert seeded("set-address", "lesscpy", "--pypi", "").out == "pypi_url: other-name → none\n"
    after = json.loads(seeded("show", "lesscpy", "--format", "v4").out)
    assert after == before | {"pypi_url": None}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ["--repo", "https://gitlab.local/a/b"],
            "https://gitlab.local/a/b cannot be fetched: gitlab.local is a private",
        ),
        (["--repo", "nonsense"], "'nonsense' is not a repository URL: expected"),
        (["--pypi", "no/name"], "--pypi 'no/name'"),
    ],
)
def test_set_address_refuses(seeded: Fetcher, arguments: list[str], complaint: str) -> None:
    """An address that cannot be fetched or read changes nothing."""
    before = seeded("export").out
    assert seeded("set-address", "lesscpy", *arguments).complaint.startswith(complaint)
    assert seeded("export").out == before


def test_set_address_needs_an_address(seeded: Fetcher) -> None:
    assert seeded("set-address", "lesscpy").status == 2
