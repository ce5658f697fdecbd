"""The intervals of sweeps, computed from quotas and the catalogue, and stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from fetcher.domain.sweeping import SweepPlan
from fetcher.ports import Clock
from fetcher.quota import Quota
from fetcher.refresh.sweep_planning import Account, Route, Spent, Terms, plan_sweep

LARGE = 25_000
"""Packages of an upstream above which they are counted once an hour, because counting a million takes seconds."""

COUNTED_EVERY = timedelta(hours=1)


class SweepStore(Protocol):
    """Stored intervals: ``fetcher.store.sweeps.Sweeps``."""

    def plans(self) -> list[SweepPlan]: ...

    def save(self, plan: SweepPlan) -> None: ...

    def classes(self, now: datetime, scale: float = ...) -> Mapping[str, tuple[int, ...]]: ...

    def place(self, plan: SweepPlan, now: datetime) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Sweeping:
    """The intervals of all upstreams."""

    store: SweepStore
    quota: Quota
    clock: Clock
    accounts: Sequence[Account]
    terms: Terms
    spent: Callable[[datetime], Mapping[Route, Spent]] = lambda now: {}
    """Points spent in the last hour; empty where they are not measured."""

    async def compute(self) -> list[SweepPlan]:
        """Compute and store the intervals. In a large catalogue, do so once an hour."""
        now = self.clock.now()
        before = {plan.upstream: plan for plan in self.store.plans()}
        if any(self._is_recent(plan, now) for plan in before.values()):
            return []
        statuses = await self.quota.quota_status(now)
        classes = self.store.classes(now, self.terms.scale)
        spent, found = self.spent(now), []
        for account in self.accounts:
            packages = classes.get(account.upstream, ())
            if not any(packages):
                continue
            plan = plan_sweep(account, packages, statuses, self.terms, before.get(account.upstream), now, spent)
            if plan is not None:
                self.store.save(plan)
                found.append(plan)
        return found

    def place(self) -> None:
        """Bring the next packages' due times forward to intervals that have become shorter."""
        for plan in self.store.plans():
            if plan.placed_after is not None:
                self.store.place(plan, self.clock.now())

    def _is_recent(self, plan: SweepPlan, now: datetime) -> bool:
        return sum(plan.packages) > LARGE and now - plan.computed_at < COUNTED_EVERY * self.terms.scale
