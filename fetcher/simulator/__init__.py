"""The upstreams on loopback, with their limits and their faults: GitHub's REST and GraphQL, and PyPI's two APIs.

Tests, the demo and operators planning a catalogue run against the simulator. It imports nothing of Fetcher, so that it
is an independent oracle. This module imports nothing either: start from
:mod:`fetcher.simulator.server` (``Simulator``), :mod:`fetcher.simulator.catalogue` (worlds) or
:mod:`fetcher.simulator.command` (``fetcher simulate``). The upstreams are listed in
:mod:`fetcher.simulator.upstreams.registry`.
"""
