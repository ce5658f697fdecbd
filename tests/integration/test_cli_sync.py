"""``fetcher sync``: the catalogue follows a file, and a truncated one retires nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.integration.conftest import Fetcher


def _write(path: Path, *slugs: str) -> None:
    documents = [{"slug": one, "title": one, "repo_url": f"https://github.com/owner/{one}"} for one in slugs]
    path.write_text(json.dumps(documents), "utf-8")


def _states(fetcher: Fetcher) -> dict[str, str]:
    return {one["slug"]: one["state"] for one in json.loads(fetcher("list", "--json").out)}


def _sync(fetcher: Fetcher, path: Path) -> dict[str, Any]:
    done = fetcher("sync", str(path), "--json")
    assert done.status == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def test_a_vanished_package_is_retired_and_returns(fetcher: Fetcher, tmp_path: Path) -> None:
    """Two readings without a package retire it, its return revives it, and others stay as the editors left them."""
    source = tmp_path / "packages.json"
    _write(source, "a", "b", "c")
    assert _sync(fetcher, source)["added"] == 3
    assert fetcher("add", "https://github.com/owner/by-hand").status == 0
    assert fetcher("retire", "c").status == 0
    _write(source, "a", "c")
    assert _sync(fetcher, source)["retired"] == 0
    assert _sync(fetcher, source)["retired"] == 1
    states = _states(fetcher)
    assert (states["b"], states["c"]) == ("retired", "retired")
    assert "retired" not in (states["a"], states["by-hand"])
    assert "1 retired" in fetcher("audit").out
    assert "by a synchronization, whose source no longer listed it" in fetcher("explain", "b").out
    assert "by an editor" in fetcher("explain", "c").out
    assert "editor" not in fetcher("refresh", "b").err
    _write(source, "a", "b", "c")
    assert _sync(fetcher, source)["revived"] == 1
    states = _states(fetcher)
    assert (states["b"] == "retired", states["c"]) == (False, "retired")


def test_a_truncated_source_retires_nothing(fetcher: Fetcher, tmp_path: Path) -> None:
    """A source that lacks most packages is refused with the remedy, as is one that cannot be read."""
    source = tmp_path / "packages.json"
    _write(source, *(f"p{n}" for n in range(20)))
    _sync(fetcher, source)
    _write(source, "p0")
    for _ in range(3):
        done = fetcher("sync", str(source))
        assert done.status == 1
        assert "19 of 20 known packages are absent" in done.err
        assert "--max-loss" in done.err
    source.write_text(source.read_text("utf-8")[:-5], "utf-8")
    assert fetcher("sync", str(source)).status == 1
    source.unlink()
    assert fetcher("sync", str(source)).status == 1
    assert "retired" not in _states(fetcher).values()


def test_a_table_with_slugs_is_followed(fetcher: Fetcher, tmp_path: Path) -> None:
    """A changed address in a CSV file changes the package of its slug, and adds none beside it."""
    source = tmp_path / "packages.csv"
    for repository in ("k", "k2"):
        source.write_text(f"slug,repo_url\nok1,https://github.com/o/{repository}\n", "utf-8")
        _sync(fetcher, source)
    assert [(one["slug"], one["repo_url"]) for one in json.loads(fetcher("list", "--json").out)] == [
        ("ok1", "https://github.com/o/k2")
    ]


def test_no_source(fetcher: Fetcher) -> None:
    """Without a source the message names the setting."""
    done = fetcher("sync")
    assert done.status == 2
    assert "FETCHER_SYNC_SOURCE" in done.err


def test_edits_print_json(fetcher: Fetcher, tmp_path: Path) -> None:
    """Corrections and removals can be read by a script."""
    source = tmp_path / "packages.json"
    _write(source, "a")
    _sync(fetcher, source)
    corrected = json.loads(fetcher("set-address", "a", "--repo", "https://github.com/owner/b", "--json").out)
    assert corrected["changed"] == {
        "repo_url": {"before": "https://github.com/owner/a", "after": "https://github.com/owner/b"}
    }
    assert "repository" in corrected["fetched_again"]
    assert json.loads(fetcher("remove", "a", "--yes", "--json").out)["packages"] == 1
