"""Lines of `fetcher status` about the quotas."""

from __future__ import annotations

import pytest

from fetcher.cli.status import _quota
from fetcher.quota import QuotaStatus
from tests.harness.clock import NOW


@pytest.mark.parametrize(
    ("upstream", "resource", "name"),
    [
        ("codeberg.org", "api", "codeberg.org api"),
        ("forge.example", "api", "forge.example api"),
        ("pypi", "pypi", "pypi"),
    ],
)
def test_a_quota_names_its_upstream(upstream: str, resource: str, name: str) -> None:
    """Hosts with the same resource and identity are told apart; a resource of the same name is not repeated."""
    status = QuotaStatus("anonymous", upstream, resource, 1000, 970, None, None, None, 0)
    assert _quota(status, NOW) == f"quota {name} (anonymous): 970 of 1,000 left"
