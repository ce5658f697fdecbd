"""The judge itself: what it must never let pass, put into the store on purpose."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from fetcher.store.schema import observations, source_states
from tests.chaos.harness.findings import Finding, Group
from tests.chaos.harness.house import DAY, House, house

pytestmark = pytest.mark.chaos


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[House]:
    """A house of two packages, looked at once before and once after everything has changed."""
    async with house(tmp_path, slugs=("alpha", "beta")) as made:
        assert made.judge.wrong() == {}
        began = made.now()
        made.move(1)
        assert await made.until_fresh(began, began + 2 * DAY) is not None
        assert made.judge.wrong() == {}
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
        ({"pypi_latest": None}, "blanked"),
        ({"head_oid": "0" * 40}, "never so"),
    ],
)
async def test_what_is_wrong_is_found(ours: House, tampered: dict[str, Any], complaint: str) -> None:
    """An invented value, an older one over a newer one, and a field that a failure blanked."""
    with ours.parts.engine.begin() as connection:
        connection.execute(update(observations).where(observations.c.package_id == _first(ours)).values(tampered))

    assert set(ours.judge.not_current()) == {"alpha"}
    assert complaint in ours.judge.amiss()["alpha"]


async def test_what_is_lost_is_found(ours: House) -> None:
    """A package whose schedule is gone is never asked again, and is missed."""
    with ours.parts.engine.begin() as connection:
        mine = source_states.c.package_id == _first(ours)
        connection.execute(update(source_states).where(mine).values(due_at=None))
    ended = ours.now()
    fresh = await ours.until_fresh(ended, ended + 2 * DAY)

    assert fresh is None
    assert ours.late(ended) == ["alpha"]


def test_a_fault_that_never_happened_shows_nothing() -> None:
    """Nor is a finding good that lost or spoiled something."""
    assert Finding(Group.GITHUB, "x", 1, 1).ok
    assert not Finding(Group.GITHUB, "x", 0, 1).ok
    assert not Finding(Group.GITHUB, "x", 1, 0).ok
    assert not Finding(Group.GITHUB, "x", 1, 1, lost=["a"]).ok
    assert not Finding(Group.GITHUB, "x", 1, 1, wrong=["a"]).ok


def _first(ours: House) -> int:
    return ours.store.package_ids(["alpha"])["alpha"]
