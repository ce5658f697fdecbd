"""The number of tests that a run left out, printed before pytest's last line, also with several processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

_LEFT_OUT = pytest.StashKey[int]()
_NAME = "left_out"


@pytest.hookimpl
def pytest_configure(config: pytest.Config) -> None:
    config.stash[_LEFT_OUT] = 0


class _Counter:
    """The hook that counts deselected tests. It needs the configuration, which the hook does not get."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self._config.stash[_LEFT_OUT] += len(items)


@pytest.hookimpl
def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.pluginmanager.register(_Counter(session.config))


@pytest.hookimpl
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Report the number to the process that prints, if this one is of pytest-xdist."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[_NAME] = session.config.stash[_LEFT_OUT]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the number of a process of pytest-xdist. Each of them collects all tests, so the numbers are equal."""
    stash = node.config.stash
    stash[_LEFT_OUT] = max(stash[_LEFT_OUT], getattr(node, "workeroutput", {}).get(_NAME, 0))


@pytest.hookimpl
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    number = config.stash[_LEFT_OUT]
    if number:
        terminalreporter.write_line(f"left out: {number} tests, by -m or -k; `make test-all` runs every test")
