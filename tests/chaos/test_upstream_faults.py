"""Faults of the upstreams over simulated days: outcomes, lost or wrong values, and unaffected packages."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.injection.github_faults import GITHUB_FAULTS
from tests.chaos.injection.pypi_faults import PYPI_FAULTS
from tests.chaos.injection.upstream_faults import UpstreamFault, run_upstream_fault

pytestmark = [pytest.mark.chaos, pytest.mark.slow]


@pytest.mark.parametrize("fault", [one for one in GITHUB_FAULTS if not one.rare], ids=lambda one: one.name)
async def test_a_fault_of_github(fault: UpstreamFault, tmp_path: Path) -> None:
    """Show that stored values stay right for a day and a half, and that all are fresh two intervals later."""
    finding = await run_upstream_fault(fault, tmp_path)

    assert finding.ok, finding


@pytest.mark.parametrize("fault", [one for one in PYPI_FAULTS if not one.rare], ids=lambda one: one.name)
async def test_a_fault_of_the_index(fault: UpstreamFault, tmp_path: Path) -> None:
    """Show that stored values stay right for a day and a half, and that all are fresh two intervals later."""
    finding = await run_upstream_fault(fault, tmp_path)

    assert finding.ok, finding
