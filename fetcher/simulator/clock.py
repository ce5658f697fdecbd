"""The simulator's one clock: real time, moved forward on demand."""

from datetime import UTC, date, datetime, timedelta


class Clock:
    """Aware UTC time with an offset, so that a test reaches tomorrow's weekly counts without waiting for them."""

    def __init__(self, start: datetime | None = None) -> None:
        self._offset = timedelta(0) if start is None else start - datetime.now(UTC)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def today(self) -> date:
        return self.now().date()

    def advance(self, by: timedelta) -> None:
        self._offset += by


def stamp(moment: datetime) -> str:
    """Return the form in which GitHub prints every time: UTC, whole seconds, ``Z``."""
    return moment.astimezone(UTC).isoformat()[:19] + "Z"  # a third of the time of strftime


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
