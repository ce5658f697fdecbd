"""The state of the running simulator besides its routes, which the control API reads and changes."""

from dataclasses import dataclass

from fetcher.simulator.faults import Faults
from fetcher.simulator.journal import Journal
from fetcher.simulator.upstreams.github.credentials import Credentials
from fetcher.simulator.upstreams.github.limits import Ledger
from fetcher.simulator.upstreams.github.options import GitHubOptions
from fetcher.simulator.upstreams.github.statistics_jobs import StatisticsJobs
from fetcher.simulator.upstreams.pypi.upstream import PyPI
from fetcher.simulator.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    world: World
    journal: Journal
    faults: Faults
    ledger: Ledger
    credentials: Credentials
    jobs: StatisticsJobs
    pypi: PyPI
    github: GitHubOptions
