"""The oracle's detection of wrong values, which the tests write into the store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from fetcher.simulator import changes
from fetcher.store.schema import observations, source_states
from tests.chaos.injection.deployment import DAY, Deployment, deployment
from tests.chaos.injection.findings import Finding, Group
from tests.chaos.injection.oracle import may_be_listed

pytestmark = [pytest.mark.chaos, pytest.mark.slow]


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[Deployment]:
    """Yield a Fetcher of two packages, judged once before and once after a change of everything."""
    async with deployment(tmp_path, slugs=("alpha", "beta")) as made:
        assert made.oracle.wrong() == {}
        began = made.now()
        made.move(1)
        assert await made.until_fresh(began, began + 2 * DAY) is not None
        assert made.oracle.wrong() == {}
        yield made


@pytest.mark.parametrize(
    ("tampered", "complaint"),
    [
        ({"stars": 7}, "never so"),
        ({"stars": 100}, "went back"),
        ({"description": "What alpha is for"}, "went back"),
        ({"description": None}, "blanked"),
        ({"contributors": [["mallory", 3]]}, "never so"),
        ({"contributors": []}, "blanked"),
        ({"contributors": [["ann", 9], ["bob", 8]]}, "never so"),
        ({"contributors": [["ann", 9], ["bob", 8], ["author-of-alpha", 7], ["bob", 1]]}, "never so"),
        ({"pypi_latest": None}, "blanked"),
        ({"head_oid": "0" * 40}, "never so"),
    ],
)
async def test_a_wrong_value_is_found(ours: Deployment, tampered: dict[str, Any], complaint: str) -> None:
    """Show that it detects an invented value, an older value over a newer one, and a blanked field."""
    with ours.parts.store.engine.begin() as connection:
        connection.execute(update(observations).where(observations.c.package_id == _first(ours)).values(tampered))

    assert set(ours.oracle.not_current()) == {"alpha"}
    assert complaint in ours.oracle.mismatches()["alpha"]


async def test_people_may_be_listed_for_longer_than_they_contributed(ours: Deployment) -> None:
    """Show that dropped and new contributors may both be listed during a fault, but not afterwards."""
    world = ours.simulator.world
    for login in ("a-newcomer", "another"):
        changes.push(world, "octo/alpha", changes.Push(login=login))
        ours.oracle.note()
        changes.force_push(world, "octo/alpha")
    people = [["ann", 20], ["bob", 17], ["author-of-alpha", 17], ["a-newcomer", 1], ["another", 1]]
    with ours.parts.store.engine.begin() as connection:
        mine = observations.c.package_id == _first(ours)
        connection.execute(update(observations).where(mine).values(contributors=people))

    assert ours.oracle.wrong() == {}
    assert "participants" in ours.oracle.mismatches()["alpha"]


def test_no_contributor_overtakes_without_commits() -> None:
    """Show that a constant order of two contributors is required, and that equal and new ones may have any order."""
    before = {"ann": 3, "bob": 2, "cho": 2}
    now = {"ann": 4, "bob": 2, "cho": 2, "newcomer": 2}
    for people in (["ann", "bob", "cho", "newcomer"], ["ann", "cho", "newcomer", "bob"]):
        assert may_be_listed(people, [before, now])
    assert not may_be_listed(["bob", "ann", "cho", "newcomer"], [before, now])
    assert may_be_listed(["bob", "ann", "cho", "newcomer"], [before, now, {**now, "bob": 5}])


async def test_a_lost_package_is_found(ours: Deployment) -> None:
    """Show that a package without a due time counts as lost."""
    with ours.parts.store.engine.begin() as connection:
        mine = source_states.c.package_id == _first(ours)
        connection.execute(update(source_states).where(mine).values(due_at=None))
    ended = ours.now()
    fresh = await ours.until_fresh(ended, ended + 2 * DAY)

    assert fresh is None
    assert ours.late(ended) == ["alpha"]


def test_a_fault_that_never_happened_shows_nothing() -> None:
    """Show that a finding without an injection, or with lost or wrong packages, is not ok."""
    assert Finding(Group.GITHUB, "x", 1, 1).ok
    assert not Finding(Group.GITHUB, "x", 0, 1).ok
    assert not Finding(Group.GITHUB, "x", 1, 0).ok
    assert not Finding(Group.GITHUB, "x", 1, 1, lost=["a"]).ok
    assert not Finding(Group.GITHUB, "x", 1, 1, wrong=["a"]).ok


def _first(ours: Deployment) -> int:
    return ours.store.packages.ids(["alpha"])["alpha"]
