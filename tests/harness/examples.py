"""Numbers of examples of a property, and of seeds of a simulation. No profile measures the machine."""

from __future__ import annotations

import pytest
from _pytest.mark.structures import ParameterSet
from hypothesis import HealthCheck, settings

QUICK, THOROUGH = "quick", "thorough"
"""The default, and the profile of ``make test-all``: ``--hypothesis-profile=thorough``."""
_EXAMPLES = {QUICK: 25, THOROUGH: 100}
_MEASURES_THE_MACHINE = HealthCheck.too_slow
"""Hypothesis' check that fails if examples take long to generate, as they do on a busy machine."""


def register_profiles() -> None:
    """Register the profiles and load the quick one. Hypothesis loads that of the command line afterwards."""
    for name, number in _EXAMPLES.items():
        settings.register_profile(
            name, max_examples=number, deadline=None, suppress_health_check=[_MEASURES_THE_MACHINE]
        )
    settings.load_profile(QUICK)


def seeds(number: int) -> list[int | ParameterSet]:
    """Return seeds of a simulation: ``make test`` tries the first, ``make test-all`` tries them all."""
    return [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, number))]


def examples(factor: float) -> settings:
    """Return a decorator that gives a property ``factor`` times as many examples as the loaded profile."""
    return settings(max_examples=max(1, round(factor * settings().max_examples)))
