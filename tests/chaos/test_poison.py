"""A response that cannot be stored, beside other packages in its batch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random
from string import ascii_letters

import pytest
from sqlalchemy import make_url

from fetcher.domain.model import Source
from fetcher.simulator import changes
from fetcher.simulator.project import Release
from tests.chaos.injection.deployment import DAY, deployment

pytestmark = [pytest.mark.chaos, pytest.mark.slow]


async def test_a_value_that_the_database_refuses(tmp_path: Path, postgres_url: str) -> None:
    """Show that a version too long for PostgreSQL's index fails its package only, with a reason."""
    async with deployment(tmp_path, database_url=make_url(postgres_url).render_as_string(hide_password=False)) as ours:
        world = ours.simulator.world
        ours.move(1)
        project = changes.project_of(world, "beta")
        endless = Release(version="1." + "".join(Random(1).choices(ascii_letters, k=20_000)), uploaded_at=ours.now())  # noqa: S311  (not a secret: the same each time)
        world.put_project(
            replace(project, releases=(*project.releases, endless), serial=world.new_serial(), summary="x")
        )
        began = ours.now()
        await ours.until(began + 1.6 * DAY)
        state, late = ours.state("beta", Source.INDEX), ours.late(began)
        world.put_project(replace(project, serial=world.new_serial()))
        ours.oracle.note()
        ended = ours.now()
        fresh = await ours.until_fresh(ended, ended + 2 * DAY)

    assert late == ["beta"]
    assert state.outcome == "malformed"
    assert "cannot be stored" in (state.message or "")
    assert fresh is not None
