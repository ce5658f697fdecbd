"""The settings of the simulated GitLab."""

from dataclasses import dataclass, field
from datetime import timedelta

MINUTE = timedelta(minutes=1)
TOKEN = "glpat-simulated"  # noqa: S105 - not a real account's token


@dataclass(frozen=True, slots=True, kw_only=True)
class GitLab:
    """The features and the limits of an instance; 0 is no limit."""

    anonymous_per_minute: int = 500
    """API requests of one address without a token."""
    per_minute: int = 2_000
    """API requests of a user with a token."""
    projects_per_minute: int = 400
    """Requests for single projects over REST."""
    older: bool = False
    """The schema lacks ``Repository.lastCommit`` and ``Project.markedForDeletion``."""
    sign_in: bool = False
    """The instance serves nothing without an account."""


@dataclass(frozen=True, kw_only=True)
class GitLabSettings:
    """GitLab's part of the simulator's settings."""

    gitlab: GitLab = field(default_factory=GitLab)
