"""Faults of the upstreams over simulated days: the right outcome, nothing lost or wrong, nobody else touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.harness.github_faults import GITHUB_FAULTS
from tests.chaos.harness.pypi_faults import PYPI_FAULTS
from tests.chaos.harness.upstream import UpstreamFault, make_happen

pytestmark = pytest.mark.chaos


@pytest.mark.parametrize("fault", [one for one in GITHUB_FAULTS if not one.rare], ids=lambda one: one.name)
async def test_a_fault_of_github(fault: UpstreamFault, tmp_path: Path) -> None:
    """For a day and a half GitHub does this: what is stored stays right, and all is fresh two intervals later."""
    finding = await make_happen(fault, tmp_path)

    assert finding.ok, finding


@pytest.mark.parametrize("fault", [one for one in PYPI_FAULTS if not one.rare], ids=lambda one: one.name)
async def test_a_fault_of_the_index(fault: UpstreamFault, tmp_path: Path) -> None:
    """For a day and a half the index does this: what is stored stays right, and all is fresh two intervals later."""
    finding = await make_happen(fault, tmp_path)

    assert finding.ok, finding
