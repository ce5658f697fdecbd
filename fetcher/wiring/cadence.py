"""The cadence by which due times are set: from the settings, or as it was computed last."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from fetcher.domain.scheduling import Cadence

if TYPE_CHECKING:
    from fetcher.settings import Settings
    from fetcher.store import SqlStore

DAY = timedelta(days=1)
"""Interval of projects without ``FETCHER_REFRESH_INTERVAL``, and of forges whose intervals are not computed yet."""


def cadence_of(settings: Settings) -> Cadence:
    """Return the settings' cadence, without computed intervals. If quota windows are compressed, so are the delays."""
    cadence = Cadence(settings.fixed_interval or DAY, settings.recheck_interval)
    return cadence.with_pauses_scaled(settings.window_scale)


def current_cadence(settings: Settings, store: SqlStore) -> Cadence:
    """Return the cadence with the intervals that were last computed, unless the settings fix the interval."""
    cadence = cadence_of(settings)
    if settings.fixed_interval is not None:
        return cadence
    return replace(cadence, sweeps={plan.upstream: plan.sweep for plan in store.sweeps.plans()})
