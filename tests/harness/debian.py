"""Debian's programs that only tests need: missing ones are installed, or unpacked without an installation."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

UNPACKED = "unpacked"
_INSTALL_WITHIN = 300.0
_LOCK = Path(tempfile.gettempdir()) / f"fetcher-tests-apt-{os.getuid()}.lock"


def programs(packages: Sequence[str], *names: Sequence[str]) -> list[str]:
    """Return the path of each program, by the first of its names that is found.

    Skip the test with the reason if a program is missing and ``packages`` cannot be installed.
    """
    wanted = " with ".join(choice[0] for choice in names)
    with _one_at_a_time():
        missing = any(not any(map(shutil.which, choice)) for choice in names)
        if missing and (reason := _install(packages)):
            pytest.skip(f"no {wanted} here, and {reason}")
    found = [next(filter(None, map(shutil.which, choice)), None) for choice in names]
    if None in found:
        pytest.skip(f"apt installed no {wanted}")
    return [str(path) for path in found]


def _install(packages: Sequence[str]) -> str:
    """Install Debian's packages, and return the reason of a failure."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return "only root on Debian can have it installed"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    wanted = ("install", "--yes", "--no-install-recommends", *packages)
    try:
        for what in (("update",), wanted):
            command = ["apt-get", *what]
            subprocess.run(command, env=environment, capture_output=True, check=True, timeout=_INSTALL_WITHIN)
    except (subprocess.SubprocessError, OSError) as error:
        return f"apt-get could not install it ({type(error).__name__})"
    return ""


def unpack(package: str, folder: Path) -> str:
    """Fetch Debian's package into ``folder``, unpack it at ``folder/unpacked``, and return the reason of a failure.

    Nothing is installed, and root is not needed if apt has its lists of packages already.
    """
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        return "only Debian's can be fetched"
    with _one_at_a_time():
        if _run(folder, "apt-get", "download", package):
            _run(folder, "apt-get", "update")  # without an update apt has no package; only root may update
            if _run(folder, "apt-get", "download", package):
                return "apt-get could not download it"
    found = next(folder.glob(f"{package}_*.deb"), None)
    if found is None or _run(folder, "dpkg", "-x", found.name, UNPACKED):
        return "dpkg could not unpack it"
    return ""


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Exclude the other test processes of this machine: a second apt would find the first one's lock, and fail."""
    with _LOCK.open("w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(folder: Path, *command: str) -> int:
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, timeout=_INSTALL_WITHIN, check=False).returncode
    except (subprocess.SubprocessError, OSError):
        return 1
