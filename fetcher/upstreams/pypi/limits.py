"""The index's name, routes and quota policy. PyPI documents no limit but requests few connections (its API page)."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Final

from fetcher.quota import QuotaPolicy, ResourceLimits

PYPI: Final = "pypi"
"""Name of the upstream, and of its only resource."""


class Route(StrEnum):
    """Kind of a request."""

    JSON = "pypi_json"
    SIMPLE = "pypi_simple"
    ROOT = "pypi_root"
    FEED = "pypi_feed"


POLICY: Final = QuotaPolicy(
    (ResourceLimits(PYPI, points=20),),  # a second; our choice
    window=timedelta(seconds=1),
    in_flight=10,
    headroom=1.0,
)
"""Our restraint towards an index: no primary quota, and no limit of response seconds."""
