"""Recovery of a lost ledger from the knowledge of one process."""

from __future__ import annotations

from fetcher.domain.model import Purpose
from fetcher.quota.account import Account, Meter
from fetcher.quota.limits import effective_limits
from fetcher.quota.recovery import recover
from fetcher.upstreams.github.limits import POLICY, Resource

AT = 1_000_000_000
"""A time of the ledger, in milliseconds."""
MINUTE = 60_000
LIMITS = effective_limits(POLICY, Resource.CORE, Purpose.MANUAL, "octo")


def _lost(**fields: int) -> Account:
    account = Account(clock=AT, paused_until=AT + MINUTE, pause_cause="rejected", pause_reason="why")
    account.meters["graphql"] = Meter(remaining=4_000, reset_at=AT + MINUTE, limit=5_000, reset_reported=True)
    account.meters["core"] = Meter(remaining=0, reset_at=AT + MINUTE, limit=5_000, reset_reported=True, **fields)
    return account


def test_pauses_and_exhausted_quotas_are_restored() -> None:
    """Restore the account's pause and that of a resource without points; a quota that is left is probed again."""
    account = Account(clock=AT + 1)
    recover(account, _lost(), AT, LIMITS, AT + 1)
    assert account.recovery_until == AT + MINUTE
    assert (account.paused_until, account.pause_cause, account.pause_reason) == (AT + MINUTE, "rejected", "why")
    core, graphql = account.meters["core"], account.meters["graphql"]
    assert (core.paused_until, core.pause_cause, core.pause_reason) == (
        AT + MINUTE + LIMITS.grace,
        "quota",
        "primary quota",
    )
    assert (graphql.paused_until, graphql.limit) == (0, 0)


def test_the_first_request_may_be_of_a_resource_without_a_quota() -> None:
    """Assume each resource's own quota: git has none, and would otherwise close the API for an hour."""
    account = Account(clock=AT + 1)
    git = effective_limits(POLICY, Resource.GIT, Purpose.MANUAL, "octo")
    assert git.primary == 0
    recover(account, _lost(), AT, git, AT + 1)
    assert {name: (meter.remaining, meter.limit) for name, meter in account.meters.items()} == {
        "core": (5_000, 0),
        "graphql": (5_000, 0),
    }


def test_a_longer_pause_of_the_new_ledger_stays() -> None:
    """Keep the pause that ends last."""
    account = Account(clock=AT + 1, paused_until=AT + 2 * MINUTE, pause_cause="limit", pause_reason="new")
    recover(account, _lost(paused_until=AT + 3 * MINUTE), AT, LIMITS, AT + 1)
    assert (account.paused_until, account.pause_reason) == (AT + 2 * MINUTE, "new")
    assert account.meters["core"].paused_until == AT + 3 * MINUTE


def test_a_clock_that_was_set_back_voids_the_pauses() -> None:
    """Restore no pause whose end is on another clock, nor one that is over."""
    for now in (AT - LIMITS.skew, AT + MINUTE + LIMITS.grace):
        account = Account(clock=now)
        recover(account, _lost(), AT, LIMITS, now)
        assert account.paused_until == 0
        assert all(meter.paused_until == 0 for meter in account.meters.values())
