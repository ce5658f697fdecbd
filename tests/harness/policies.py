"""The quota policies of the built-in upstreams, as documented."""

from __future__ import annotations

from fetcher.settings import read_settings
from fetcher.upstreams.registry import upstreams_of

POLICIES = upstreams_of(read_settings({})).policies()
