"""Reasons for due times, in words."""

from __future__ import annotations

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
