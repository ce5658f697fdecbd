"""GitHub's REST and GraphQL and PyPI's two APIs on loopback, with their limits and their faults.

The simulator is what tests, the demo and operators planning a catalogue run against. It imports nothing of
Fetcher, so that what it says is an independent oracle. This module imports nothing either: start from
:mod:`fetcher.simulator.server` (``Simulator``), :mod:`fetcher.simulator.catalogue` (worlds) or
:mod:`fetcher.simulator.command` (``fetcher simulate``).
"""
