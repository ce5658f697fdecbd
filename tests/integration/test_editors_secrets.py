"""User names and passwords in editors' addresses: no form that is stored or shown contains them."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pypi_simple import PYPI_SIMPLE_ENDPOINT

from tests.harness.pages import Pages
from tests.integration.conftest import Fetcher

SECRET = "pwSECRET"
INDEX = urlsplit(PYPI_SIMPLE_ENDPOINT).netloc
REPO = f"https://user:{SECRET}@github.com/owner/alpha"
SAID = "user names and passwords were removed from the addresses of 1 package\n"
DOCUMENT = {
    "slug": "alpha",
    "title": "Alpha",
    "repo_url": REPO,
    "pypi_url": f"https://user:{SECRET}@{INDEX}/project/alpha/",
    "documentation_url": f"https://{SECRET}@docs.example/alpha",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "given"


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(DOCUMENT),
        f"slug,repo_url,documentation_url\nalpha,{REPO},https://{SECRET}@docs.example/alpha\n",
        f"{REPO}\n",
        f"https://user:{SECRET}/x@github.com/owner/alpha alpha\n",
        json.dumps(DOCUMENT | {"repo_url": f"https://{SECRET}@gitlab.example/owner/alpha"}),
        json.dumps(DOCUMENT | {"repo_url": f"user:{SECRET}@github.com/owner/alpha"}),
    ],
    ids=["document", "csv", "addresses", "slash", "unsupported", "schemeless"],
)
def test_an_import_stores_no_password(bare: Fetcher, file: Path, tmp_path: Path, text: str) -> None:
    """Neither the database nor any command holds it. The removal is reported once, and a second import too."""
    file.write_text(text)

    done, again = bare("import", str(file)), bare("import", str(file))
    shown = [bare(*line.split()) for line in ("show alpha", "show alpha --format v4", "export", "explain alpha")]

    assert (done.status, again.status) == (0, 0)
    assert done.err.endswith(SAID)
    assert done.err.count("passwords") == 1
    assert again.out.startswith("0 added, 0 updated, 1 unchanged")
    assert all(one.status == 0 for one in shown)
    everything = [done.out, done.err, again.out, again.err, *(one.out + one.err for one in shown)]
    assert SECRET not in "".join(everything)
    stored = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    assert b"owner/alpha" in stored
    assert SECRET.encode() not in stored


def test_unknown_keys_keep_their_text(bare: Fetcher, file: Path) -> None:
    """A key that is not Fetcher's is carried unchanged, and no removal is reported for it."""
    file.write_text(json.dumps({"slug": "alpha", "title": "Alpha", "mirror": REPO}))
    assert "passwords" not in bare("import", str(file)).err
    assert json.loads(bare("export").out)["mirror"] == REPO


@pytest.mark.parametrize("text", [json.dumps(DOCUMENT), "https://github.com/owner/alpha alpha\n"])
def test_an_import_cleans_rows_of_earlier_versions(bare: Fetcher, file: Path, tmp_path: Path, text: str) -> None:
    """A stored password is removed when its package is imported again, by a document or a line."""
    file.write_text(text)
    assert bare("import", str(file)).status == 0
    (database,) = (tmp_path / "data").rglob("*.db")
    with sqlite3.connect(database) as connection:
        connection.execute(
            "UPDATE packages SET repo_url = ?, documentation_url = ?", (REPO, DOCUMENT["documentation_url"])
        )
    connection.close()
    assert SECRET in bare("export").out

    assert bare("import", str(file)).out.startswith("0 added, 1 updated")
    assert SECRET not in bare("export").out


def test_a_directorys_address_is_shown_without_its_password(bare: Fetcher) -> None:
    """Messages about pages of a directory's API name the address without its user."""
    with Pages() as pages:
        url = pages.give("/one", [{"slug": "not a slug"}]).replace("://", f"://user:{SECRET}@")
        refused, missing = bare("import", url), bare("import", url.replace("/one", "/none"))
    assert (refused.status, missing.status) == (1, 1)
    assert pages.url in refused.err
    assert SECRET not in refused.err + missing.err
