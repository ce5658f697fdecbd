"""The state of the running simulator besides its routes, which the control API reads and changes."""

from dataclasses import dataclass

from fetcher.simulator.credentials import Credentials
from fetcher.simulator.faults import Faults
from fetcher.simulator.github_options import GitHubOptions
from fetcher.simulator.journal import Journal
from fetcher.simulator.limits import Ledger
from fetcher.simulator.pypi import PyPI
from fetcher.simulator.statistics_jobs import StatisticsJobs
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
