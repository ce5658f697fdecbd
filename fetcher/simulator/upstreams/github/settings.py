"""The settings of the simulated GitHub."""

from dataclasses import dataclass, field

from fetcher.simulator.upstreams.github.credentials import Credentials
from fetcher.simulator.upstreams.github.limits import Limits
from fetcher.simulator.upstreams.github.options import GitHubOptions
from fetcher.simulator.upstreams.github.statistics_jobs import Statistics


@dataclass(frozen=True, kw_only=True)
class GitHubSettings:
    """GitHub's part of the simulator's settings."""

    limits: Limits = field(default_factory=Limits)
    statistics: Statistics = field(default_factory=Statistics)
    github: GitHubOptions = field(default_factory=GitHubOptions)
    credentials: Credentials = field(default_factory=Credentials)
