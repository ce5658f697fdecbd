"""A real Prometheus for tests: the one on PATH, else Debian's package, unpacked but not installed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_WITHIN = 300.0


@dataclass(frozen=True, slots=True)
class Prometheus:
    """Where the server and its tool are."""

    server: Path
    tool: Path

    def promtool(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [str(self.tool), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=_WITHIN, check=False)


@pytest.fixture(scope="session")
def prometheus() -> Iterator[Prometheus]:
    """Skips the test, and says why, where there is none and none can be had."""
    found = shutil.which("prometheus"), shutil.which("promtool")
    if found[0] and found[1]:
        yield Prometheus(Path(found[0]), Path(found[1]))
        return
    with tempfile.TemporaryDirectory(prefix="fetcher-prometheus-") as folder:
        reason = _unpack(Path(folder))
        if reason:
            pytest.skip(f"no prometheus here, and {reason}")
        programs = Path(folder) / "unpacked" / "usr" / "bin"
        yield Prometheus(programs / "prometheus", programs / "promtool")


def _unpack(folder: Path) -> str:
    """Fetch and unpack Debian's package, and say why that was not possible."""
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        return "only Debian's can be fetched"
    if _run(folder, "apt-get", "download", "prometheus"):
        _run(folder, "apt-get", "update")  # a machine that has never asked knows no package; only root may
        if _run(folder, "apt-get", "download", "prometheus"):
            return "apt-get could not download it"
    package = next(folder.glob("prometheus_*.deb"), None)
    if package is None or _run(folder, "dpkg", "-x", package.name, "unpacked"):
        return "dpkg could not unpack it"
    return ""


def _run(folder: Path, *command: str) -> int:
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, timeout=_WITHIN, check=False).returncode
    except (subprocess.SubprocessError, OSError):
        return 1
