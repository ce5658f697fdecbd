"""A folder of repositories, the server of it, and the refresh of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.harness.git_server import GitServer
from tests.harness.over_git import OverGit, over_git


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    """Serve the repositories in a folder of the test."""
    folder = tmp_path / "repositories"
    folder.mkdir()
    with GitServer(folder) as running:
        yield running


@pytest.fixture
async def git(tmp_path: Path, server: GitServer) -> AsyncIterator[OverGit]:
    """Open the refresh of the served repositories, over git alone."""
    async with over_git(tmp_path, server.url) as running:
        yield running
