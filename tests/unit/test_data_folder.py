"""Permissions of the data folder and of Fetcher's files in it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from fetcher.data_folder import close_permissions, make_private, make_private_file, open_permissions
from fetcher.domain.errors import ConfigError
from fetcher.settings import read_settings
from fetcher.store import open_engine
from fetcher.wiring import open_store


@pytest.fixture(autouse=True)
def no_umask() -> Iterator[None]:
    """Let new files be open to every user, as far as the umask decides."""
    former = os.umask(0)
    yield
    os.umask(former)


def test_the_embedded_database_is_private(tmp_path: Path) -> None:
    """A new folder and database, with SQLite's own files, are readable by their owner only."""
    folder = tmp_path / "data"
    with open_store(read_settings({"FETCHER_DATA_DIR": str(folder)})) as store:
        assert store.packages.size() == 0
        assert len(list(folder.glob("fetcher.db*"))) > 1
        assert open_permissions(folder) == []


def test_the_folder_of_a_new_engine_is_private(tmp_path: Path) -> None:
    """`fetcher doctor` opens the database without the store, and may be the first command of all."""
    open_engine(f"sqlite:///{tmp_path}/data/fetcher.db").dispose()
    assert open_permissions(tmp_path / "data") == []


def test_an_existing_folder_is_reported(tmp_path: Path) -> None:
    """Fetcher's own files are closed; the folder and files of other programs stay as they are."""
    make_private(tmp_path / "redis")
    for name in ("fetcher.db", "notes.txt", "redis/valkey.log"):
        (tmp_path / name).touch(0o666)
    tmp_path.chmod(0o755)

    assert set(open_permissions(tmp_path)) == {tmp_path, tmp_path / "fetcher.db", tmp_path / "redis" / "valkey.log"}
    assert close_permissions(tmp_path) == [tmp_path]
    assert stat.S_IMODE((tmp_path / "notes.txt").stat().st_mode) == 0o666


def test_an_existing_file_keeps_its_content(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    make_private_file(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "kept"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """The message names the folder and the variable."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="FETCHER_DATA_DIR"):
        make_private(tmp_path / "file" / "data")
    with pytest.raises(ConfigError, match="no home folder"):
        make_private(Path("~/data"))
