"""The 202 in front of GitHub's repository statistics: a job for each kind and each head."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class EmptyAnswer(StrEnum):
    """What the statistics of an empty repository answer: all three have been seen."""

    ZEROS = "zeros"
    NO_CONTENT = "204"
    ACCEPTED = "202"


class Participation(StrEnum):
    """What the weekly counts of ``participation`` hold.

    Recorded answers hold merge commits; GitHub's documentation says that statistics leave them out.
    """

    WITH_MERGES = "with"
    WITHOUT_MERGES = "without"
    WRONG = "wrong"
    """Counts that fit neither way: one more in each week than with merges."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """How statistics become ready (cold ones after ``ready_after`` and after ``asks`` requests that got a 202), and
    what they count."""

    cold: bool = False
    ready_after: timedelta = timedelta(seconds=2)
    asks: int = 1
    empty: EmptyAnswer = EmptyAnswer.ZEROS
    participation: Participation = Participation.WITH_MERGES
    contributors_lag: timedelta = timedelta(0)
    """How old the history is that ``contributors`` counts: GitHub documents "a few hours"."""


@dataclass(slots=True)
class _Job:
    oid: str
    started: datetime
    asks: int = 0


class StatisticsJobs:
    """Which statistics are computed: they are cached by the head's oid, and a push starts anew."""

    def __init__(self, settings: Statistics) -> None:
        self.settings = settings
        self._jobs: dict[tuple[int, str], _Job] = {}
        self._warmed_at: datetime | None = None

    def ready(self, repository: int, kind: str, oid: str, pushed_at: datetime, now: datetime) -> bool:
        """Whether to answer in full; an ask that is not ready counts towards readiness."""
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
        """Everything pushed until now is computed."""
        self._warmed_at = now
