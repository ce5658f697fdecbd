"""A real Prometheus for tests: the one on PATH, otherwise Debian's package, unpacked but not installed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.harness.debian import UNPACKED, unpack

_WITHIN = 300.0


@dataclass(frozen=True, slots=True)
class Prometheus:
    """The paths of the server and of its tool."""

    server: Path
    tool: Path

    def promtool(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [str(self.tool), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=_WITHIN, check=False)


@pytest.fixture(scope="session")
def prometheus() -> Iterator[Prometheus]:
    """Provide Prometheus, or skip the test with the reason."""
    found = shutil.which("prometheus"), shutil.which("promtool")
    if found[0] and found[1]:
        yield Prometheus(Path(found[0]), Path(found[1]))
        return
    with tempfile.TemporaryDirectory(prefix="fetcher-prometheus-") as folder:
        reason = unpack("prometheus", Path(folder))
        if reason:
            pytest.skip(f"no prometheus here, and {reason}")
        programs = Path(folder) / UNPACKED / "usr" / "bin"
        yield Prometheus(programs / "prometheus", programs / "promtool")
