"""Permissions of the data folder: only its owner reads and writes it, with any umask."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from fetcher.domain.errors import ConfigError

OTHERS = 0o077
"""Permission bits of the group and of all other users."""
UMASK = OTHERS
"""Umask of the processes that write into the data folder."""

_REMEDY = "Set FETCHER_DATA_DIR to a folder that this user may write"


def make_private(folder: Path) -> None:
    """Create ``folder`` for its owner only; an existing one stays as it is. Raise ``ConfigError`` if it fails."""
    if str(folder).startswith("~"):
        raise ConfigError("this user has no home folder for the data", _REMEDY)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"the data folder {folder} cannot be made ({error.strerror})", _REMEDY) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"the data folder {folder} cannot be written (Permission denied)", _REMEDY)


def make_private_file(path: Path) -> None:
    """Create an empty file for its owner only, unless it exists. SQLite's other files copy its permissions."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def open_permissions(path: Path) -> list[Path]:
    """Return the data folder and Fetcher's files in it that the group or other users may access."""
    return [one for one in _ours(path) if one.lstat().st_mode & OTHERS]


def close_permissions(path: Path) -> list[Path]:
    """Remove the permissions of group and others from Fetcher's files, and return the remaining open paths.

    The data folder itself is left: it may hold files of other programs.
    """
    for one in open_permissions(path):
        if one != path:
            with suppress(OSError):
                one.chmod(stat.S_IMODE(one.stat().st_mode) & ~OTHERS)
    return open_permissions(path)


def _ours(path: Path) -> Iterator[Path]:
    """Yield the data folder and Fetcher's files in it; other files are not Fetcher's concern."""
    with suppress(OSError):
        candidates = [path, *path.glob("fetcher.db*"), *path.glob("up.lock"), path / "redis", *path.glob("redis/**/*")]
        yield from (one for one in candidates if one.exists() and not one.is_symlink())
