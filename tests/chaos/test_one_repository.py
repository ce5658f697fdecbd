"""Two packages of one repository: both are refreshed, and ``fetcher status`` reports them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fetcher.domain.model import CatalogueEntry, SharedRepository, Source
from fetcher.simulator import changes
from tests.chaos.injection.deployment import DAY, deployment
from tests.harness.stack import simulated, stack

pytestmark = [pytest.mark.chaos, pytest.mark.slow]


async def test_two_packages_of_one_repository(tmp_path: Path) -> None:
    """Show that two packages, listed under a repository's old and new name, both have all values and are reported."""
    async with deployment(tmp_path) as ours:
        changes.rename(ours.simulator.world, "octo/alpha", "omega")
        again = CatalogueEntry("omega", "Omega", repo_url="https://github.com/octo/omega")
        ours.store.packages.import_entries([again], ours.now())
        ours.move(1)
        began = ours.now()
        assert await ours.until_fresh(began, began + 2 * DAY) is not None
        old, new = (ours.store.packages.get(slug) for slug in ("alpha", "omega"))
        assert old is not None
        assert new is not None
        shared = ours.store.packages.shared_repositories()
        found = stack(tmp_path / "cli", **simulated(ours.simulator), data_dir=ours.settings.data_dir)
        with found as here:
            status = here.fetcher("status")

    assert old.stats == new.stats
    assert new.states[Source.COMMITS].answered_at is not None
    assert shared == [SharedRepository("octo/omega", ("alpha", "omega"))]
    assert "one repository: alpha, omega are all octo/omega" in status.stdout


async def test_two_projects_of_one_address_are_no_mistake(tmp_path: Path) -> None:
    """Show that several projects of one repository are not reported, because they may be intended."""
    async with deployment(tmp_path) as ours:
        entry = CatalogueEntry("alpha-extras", "Extras", repo_url="https://github.com/octo/alpha", pypi_url="beta")
        ours.store.packages.import_entries([entry], ours.now())
        began = ours.now()
        assert await ours.until_fresh(began, began + 2 * DAY) is not None

        assert ours.store.packages.shared_repositories() == []
