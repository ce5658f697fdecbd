"""Fixtures of the integration tests: a simulator of the five seeds, and the command called in this process."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from fetcher.cli import main
from fetcher.simulator.catalogue import seeds
from fetcher.simulator.server import Simulator
from fetcher.simulator.upstreams.github.limits import Limits
from fetcher.simulator.upstreams.registry import Settings
from tests.harness.stack import environment, simulated


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a command: its status and its two streams."""

    status: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """Return the only line of a failed command: status 1, nothing on stdout, and no traceback.

        `up` and `web` write it as a log line in JSON, because no terminal reads it here.
        """
        lines = self.err.splitlines()
        assert (self.status, self.out, len(lines)) == (1, "", 1), self
        if lines[0].startswith("{"):
            line = json.loads(lines[0])
            assert line["level"] == "error", self
            return str(line["event"])
        assert lines[0].startswith("error: "), self
        return lines[0].removeprefix("error: ")


class Fetcher:
    """The console script's entry point, called in this process, which saves half a second of imports."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **settings: object) -> None:
        self.settings = settings
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: str, **settings: object) -> Done:
        """Run ``fetcher *arguments`` with these settings beside the usual ones."""
        wanted = environment(**{**self.settings, **settings})
        with self._monkeypatch.context() as patch:
            for name in os.environ.keys() - wanted.keys():
                patch.delenv(name)
            for name, value in wanted.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["fetcher", *arguments])
            self._capsys.readouterr()
            try:
                main()
            except SystemExit as end:
                status = end.code if isinstance(end.code, int) else 0
            else:
                status = 0
        said = self._capsys.readouterr()
        return Done(status, said.out, said.err)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Serve the five seeds' facts on loopback. An hour lasts a minute, so that the ledger's waits are short."""
    with Simulator(seeds(), Settings(limits=Limits(hour=timedelta(minutes=1)))) as running:
        yield running


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Fetcher]:
    """Provide the command with an empty data folder; its upstreams do not exist."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    nowhere = "http://127.0.0.1:9"
    yield Fetcher(monkeypatch, capsys, data_dir=tmp_path / "data", github_api_url=nowhere, pypi_url=nowhere)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def fetcher(bare: Fetcher, simulator: Simulator) -> Fetcher:
    """Provide the command with an empty data folder and the simulator as its upstreams."""
    bare.settings.update(simulated(simulator))
    return bare
