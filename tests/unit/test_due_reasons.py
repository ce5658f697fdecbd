"""Reasons for due times, in words."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fetcher.domain.model import DueReason, Source, SourceState
from fetcher.domain.presentation import due_reason
from fetcher.domain.scheduling import Cadence
from tests.harness.clock import NOW


@pytest.mark.parametrize("reason", DueReason)
def test_every_reason_has_words(reason: DueReason) -> None:
    """Each reason that the store can hold is explained in one line."""
    text = due_reason(SourceState(Source.INDEX, due_at=NOW, due_reason=reason), Cadence(), None, NOW)
    assert text
    assert "\n" not in text


def test_a_recheck_states_the_bounds_of_its_due_time() -> None:
    """A due time is a slot, between half of the interval and one and a half of it after the last full fetch."""
    cadence = Cadence(recheck=timedelta(days=30))
    text = due_reason(SourceState(Source.COMMITS, due_at=NOW, due_reason=DueReason.RECHECK), cadence, None, NOW)
    assert text == "no change detected: periodic re-check, 15 d to 45 d after the last full fetch"
