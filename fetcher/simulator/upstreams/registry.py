"""The simulated upstreams. A new one is a folder beside ``github``, and an entry of ``MOUNTS``."""

from dataclasses import dataclass
from datetime import timedelta

from fetcher.simulator.faults import Rule
from fetcher.simulator.mount import Mount
from fetcher.simulator.upstreams.bitbucket.mount import BitbucketMount
from fetcher.simulator.upstreams.bitbucket.settings import BitbucketSettings
from fetcher.simulator.upstreams.forgejo.mount import ForgejoMount
from fetcher.simulator.upstreams.forgejo.settings import ForgejoSettings
from fetcher.simulator.upstreams.github.mount import GitHubMount
from fetcher.simulator.upstreams.github.settings import GitHubSettings
from fetcher.simulator.upstreams.gitlab.mount import GitLabMount
from fetcher.simulator.upstreams.gitlab.settings import GitLabSettings
from fetcher.simulator.upstreams.pypi.mount import PyPIMount
from fetcher.simulator.upstreams.pypi.settings import PyPISettings

MOUNTS: tuple[Mount, ...] = (GitHubMount(), GitLabMount(), ForgejoMount(), BitbucketMount(), PyPIMount())
"""The upstreams that the simulator serves unless others are passed."""


@dataclass(frozen=True, kw_only=True)
class Settings(GitHubSettings, GitLabSettings, ForgejoSettings, BitbucketSettings, PyPISettings):
    """The options with which a world is served: those of each upstream, and those of all."""

    faults: tuple[Rule, ...] = ()
    seed: int = 0
    latency: timedelta = timedelta(0)

    @property
    def scale(self) -> float:
        """Return the length of an hour of limits in real hours, by which every upstream's windows shrink."""
        return self.limits.hour / timedelta(hours=1)

    @property
    def enforced(self) -> bool:
        """Return whether the upstreams enforce their limits."""
        return self.limits.enforced
