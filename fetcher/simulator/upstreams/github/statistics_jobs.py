"""The 202 before GitHub's repository statistics: a job for each kind and each head."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class EmptyAnswer(StrEnum):
    """The response of an empty repository's statistics: all three have been observed."""

    ZEROS = "zeros"
    NO_CONTENT = "204"
    ACCEPTED = "202"


class Participation(StrEnum):
    """The commits in the weekly counts of ``participation``.

    Recorded responses include merge commits; according to GitHub's documentation, statistics leave them out.
    """

    WITH_MERGES = "with"
    WITHOUT_MERGES = "without"
    WRONG = "wrong"
    """Counts that fit neither way: one more in each week than with merges."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """The conditions for ready statistics, and their counts.

    Cold statistics are ready after ``ready_after`` and after ``asks`` requests that received a 202.
    """

    cold: bool = False
    ready_after: timedelta = timedelta(seconds=2)
    asks: int = 1
    empty: EmptyAnswer = EmptyAnswer.ZEROS
    participation: Participation = Participation.WITH_MERGES
    contributors_lag: timedelta = timedelta(0)
    """Age of the history that ``contributors`` counts: GitHub documents "a few hours"."""


@dataclass(slots=True)
class _Job:
    oid: str
    started: datetime
    asks: int = 0


class StatisticsJobs:
    """The computed statistics: they are cached by the head's oid, and a push starts a new job."""

    def __init__(self, settings: Statistics) -> None:
        self.settings = settings
        self._jobs: dict[tuple[int, str], _Job] = {}
        self._warmed_at: datetime | None = None

    def ready(self, repository: int, kind: str, oid: str, pushed_at: datetime, now: datetime) -> bool:
        """Return True if the statistics are ready; a request before that counts towards readiness."""
        if not self.settings.cold or (self._warmed_at is not None and pushed_at <= self._warmed_at):
            return True
        job = self._jobs.get((repository, kind))
        if job is None or job.oid != oid:
            job = self._jobs[repository, kind] = _Job(oid, now)
        if job.asks >= self.settings.asks and now - job.started >= self.settings.ready_after:
            return True
        job.asks += 1
        return False

    def warm(self, now: datetime) -> None:
        """Mark the statistics of all pushes until now as computed."""
        self._warmed_at = now
